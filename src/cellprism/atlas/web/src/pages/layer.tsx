// A layer: its map, its features, coloured and filtered together.
import { useEffect, useMemo, useState } from "preact/hooks";
import { FeatureTable } from "../components/feature-table";
import { Icon } from "../components/icon";
import { LegendView } from "../components/legend";
import { MapCanvas } from "../components/map-canvas";
import { LayerTabs } from "../components/layer-tabs";
import { CsvButton, PythonCell } from "../components/take";
import { NONE16, NONE32, type FeatureMap } from "../data/columns";
import { loadMap, loadModules } from "../data/store";
import type { LayerSummary, Module } from "../data/types";
import { count, fixed, percent } from "../lib/format";
import { Load, Nothing, useLoad } from "../lib/load";
import { nullPhrase } from "../lib/names";
import { noneColour } from "../lib/palette";
import { layerCode } from "../lib/python";
import { open, paths, useQuery } from "../lib/route";
import { absence, useRun, useTitle, useWords, type Words } from "../lib/run";
import { useTheme, mapBackground } from "../lib/theme";
import { colouring, isDead, isMode, isRare, modes, type Legend, type Mode } from "../map/colouring";
import { naming, passing, sorted, type SortKey } from "../map/select";
import { decodeView, encodeView } from "../map/view";

interface Data {
  map: FeatureMap;
  modules: Module[];
}

function Explorer({ about, data, words }: { about: LayerSummary; data: Data; words: Words }) {
  const { id, summary } = useRun();
  const { layer } = about;
  const { map, modules } = data;
  const theme = useTheme();
  const [query, change] = useQuery();
  const mode: Mode = isMode(query["colour"]) ? query["colour"] : words.groups.value.length ? "group" : "module";
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
  const header = [
    "layer", "feature", "label_source", "label", "label_q", "n_terms", "group_key", "group", "group_auroc", "module", "n_fired", "frequency", "n_cells",
    "max_value", "dead", "rare",
  ];
  const { terms, groups } = words;
  const digits = (value: number | undefined) => Number(value?.toPrecision(4));
  const cells = () => rows.map((i) => [
    layer, map.feature[i], terms.source[map.label[i]!], terms.term[map.label[i]!], digits(map.label_q[i]), map.n_terms[i], groups.key[map.group[i]!],
    groups.value[map.group[i]!], digits(map.group_auroc[i]), map.module[i] === NONE16 ? null : map.module[i], map.n_fired[i], digits(map.frequency[i]),
    map.n_cells[i] === NONE32 ? null : map.n_cells[i], digits(map.max_value[i]), String(isDead(map, i)), String(isRare(map, i)),
  ]);
  return (
    <>
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
          caption={`The ${count(map.n)} features of layer ${layer}; ${about.map?.metric ? `near dots have similar atoms (${about.map.method})` : about.map?.method ?? ""}. Colour: ${modes[mode].toLowerCase()}. ${keyOf(colours.legend)}`}
          passes={passes} names={names} selected={selected} start={decodeView(query["view"])} onSelect={select}
          onOpen={(row) => {
            select(row);
            open(paths.feature(id, layer, map.feature[row]!));
          }}
          onView={(view) => change({ view: encodeView(view) })}
        />
        <LegendView legend={colours.legend} picked={pick} onPick={(key) => change({ pick: key })} />
        {about.map && about.map.metric === null && <p class="small muted map-note">{absence(summary, "embedding", layer) ?? `Layout: ${about.map.method}.`}</p>}
        {about.map && about.map.metric !== null && (
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
          <span class="push"><CsvButton name={["layer", layer]} what="these features" header={header} rows={cells} /></span>
        </p>
        <FeatureTable
          {...{ map, layer, words, rows, selected, sort, down }}
          onSort={(key) => change(key === sort ? { down: down ? "" : "1" } : { sort: key, down: "" })}
        />
      </section>
    </div>
    <PythonCell code={layerCode(summary, groups, { layer, text, mode, pick: colours.keys ? pick : "", sort, down })} />
    </>
  );
}

/** The legend in words. */
const keyOf = (legend: Legend) =>
  legend.kind === "categories"
    ? `${legend.entries.slice(0, 11).map(({ name, colour }) => `${name} ${colour}`).join(", ")}.`
    : `Dark to light: ${legend.ticks[0]} to ${legend.ticks.at(-1)} ${legend.unit}.`;

function LayerFacts({ about }: { about: LayerSummary }) {
  const annotated = about.rates.find((rate) => rate.rate === "annotated");
  return (
    <div class="facts">
      <span><b class="num">{count(about.n_alive)}</b> of {count(about.n_features)} features alive{about.n_rare !== null && <>, {count(about.n_rare)} rare</>}</span>
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
    const [map, modules] = await Promise.all([loadMap(id, layer), loadModules(id, layer)]);
    return { map, modules };
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
