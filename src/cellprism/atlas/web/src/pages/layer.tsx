// A layer: its map, its features, coloured and filtered together.
import { useEffect, useMemo, useState } from "preact/hooks";
import { FeatureTable } from "../components/feature-table";
import { Icon } from "../components/icon";
import { LegendView } from "../components/legend";
import { MapCanvas } from "../components/map-canvas";
import { LayerTabs } from "../components/layer-tabs";
import type { FeatureMap } from "../data/columns";
import { loadMap, loadModules } from "../data/store";
import type { LayerSummary, Module } from "../data/types";
import { count, fixed, percent } from "../lib/format";
import { Load, Nothing, useLoad } from "../lib/load";
import { nullPhrase } from "../lib/names";
import { noneColour } from "../lib/palette";
import { open, paths, useQuery } from "../lib/route";
import { useRun, useTitle, useWords, type Words } from "../lib/run";
import { useTheme, mapBackground } from "../lib/theme";
import { colouring, isMode, modes, type Mode } from "../map/colouring";
import { naming, passing, sorted, type SortKey } from "../map/select";
import { decodeView, encodeView } from "../map/view";

interface Data {
  map: FeatureMap;
  modules: Module[];
}

function Explorer({ about, data, words }: { about: LayerSummary; data: Data; words: Words }) {
  const { id } = useRun();
  const { layer } = about;
  const { map, modules } = data;
  const theme = useTheme();
  const [query, change] = useQuery();
  const mode: Mode = isMode(query["colour"]) ? query["colour"] : "group";
  const text = query["filter"] ?? "";
  const pick = query["pick"] ?? "";
  const sort = (query["sort"] ?? "q") as SortKey;
  const down = query["down"] === "1";
  const selected = map.row.get(Number(query["feature"] ?? NaN)) ?? null;

  const colours = useMemo(() => colouring(mode, map, words, modules, theme), [mode, data, words, theme]);
  const passes = useMemo(() => passing(map, words, text, pick, colours.keys), [data, words, text, pick, colours]);
  const rows = useMemo(() => sorted(map, words, passes, sort, down), [data, words, passes, sort, down]);
  const names = useMemo(() => naming(map, words, modules, mode, passes, colours), [data, words, mode, passes, colours]);
  const select = (row: number) => change({ feature: String(map.feature[row]) });
  return (
    <div class="explorer">
      <section class="panel map-panel" aria-label="Map">
        <div class="toolbar">
          <label class="inline">
            Colour by
            <select value={mode} onChange={(event) => change({ colour: event.currentTarget.value, pick: "" })}>
              {Object.entries(modes).map(([key, name]) => <option value={key}>{name}</option>)}
            </select>
          </label>
          <div class="field grow">
            <Icon name="search" />
            <input
              type="search" aria-label="Filter by label, cell group or number" placeholder="Filter by label, cell group or number"
              value={text} onInput={(event) => change({ filter: event.currentTarget.value })}
            />
          </div>
        </div>
        <MapCanvas
          map={map} layer={layer} words={words} colour={colours.colour} muted={noneColour(theme)} background={mapBackground(theme)}
          passes={passes} names={names} selected={selected} start={decodeView(query["view"])} onSelect={select}
          onOpen={(row) => {
            select(row);
            open(paths.feature(id, layer, map.feature[row]!));
          }}
          onView={(view) => change({ view: encodeView(view) })}
        />
        <LegendView legend={colours.legend} picked={pick} onPick={(key) => change({ pick: key })} />
        {about.map && (
          <p class="small muted map-note">
            {about.map.method} of the atoms, {about.map.metric} distance, seed {about.map.seed}; trustworthiness {fixed(about.map.trustworthiness)} of 1.
            Only nearness has a meaning, the axes have none.
          </p>
        )}
      </section>
      <section class="panel table-panel" aria-label="Features">
        <p class="table-title">
          <span class="strong num">{count(rows.length)}</span> of {count(map.n)} features
          {(text || pick) && <button type="button" class="plain" onClick={() => change({ filter: "", pick: "" })}><Icon name="close" /> Clear the filter</button>}
        </p>
        <FeatureTable
          {...{ map, layer, words, rows, selected, sort, down }}
          onSort={(key) => change(key === sort ? { down: down ? "" : "1" } : { sort: key, down: "" })}
        />
      </section>
    </div>
  );
}

function LayerFacts({ about }: { about: LayerSummary }) {
  const annotated = about.rates.find((rate) => rate.rate === "annotated");
  return (
    <div class="facts">
      <span><b class="num">{count(about.n_alive)}</b> of {count(about.n_features)} features alive, {count(about.n_rare)} rare</span>
      {annotated && (
        <span><b class="num">{percent(annotated.value)}</b> annotated <span class="muted">({nullPhrase(annotated)})</span></span>
      )}
      <span><b class="num">{count(about.n_modules)}</b> modules</span>
    </div>
  );
}

function Layer({ about }: { about: LayerSummary }) {
  const { id, summary } = useRun();
  const { layer } = about;
  const [query] = useQuery();
  const [kept, setKept] = useState(query);
  useTitle(`Layer ${layer}`);
  useEffect(() => setKept(query), [location.hash]);
  const words = useWords();
  const data = useLoad(`layer ${id} ${layer}`, async (): Promise<Data> => {
    const [map, modules] = await Promise.all([loadMap(id, layer), loadModules(id)]);
    return { map, modules: modules[layer] ?? [] };
  });
  useEffect(() => {
    if (!data.value) return;
    for (const near of [layer - 1, layer + 1]) {
      if (summary.layers.some((other) => other.layer === near)) void loadMap(id, near).catch(() => undefined);
    }
  }, [data.value]);
  // What is chosen on one layer stays chosen on the next, but for what means something else there.
  const { colour = "", filter = "", sort = "", down = "" } = kept;
  const pick = colour === "module" ? "" : kept["pick"] ?? "";
  return (
    <>
      <header class="page-head row">
        <h1>Layer {layer}</h1>
        <LayerTabs layers={summary.layers.map((l) => l.layer)} current={layer} href={(other) => paths.layer(id, other, { colour, filter, sort, down, pick })} />
      </header>
      <LayerFacts about={about} />
      <Load of={words}>{(words) => <Load of={data}>{(data) => <Explorer key={layer} about={about} data={data} words={words} />}</Load>}</Load>
    </>
  );
}

export default function LayerPage({ layer }: { layer: number }) {
  const { layers } = useRun().summary;
  const about = layers.find((other) => other.layer === layer);
  return about ? <Layer about={about} /> : <Nothing title="No such layer">This run has the layers {layers.map((other) => other.layer).join(", ")}.</Nothing>;
}
