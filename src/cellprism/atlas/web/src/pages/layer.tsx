// A layer: what is in it, and the explorer of its features.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Explorer, type LayerData } from "../components/explorer";
import { LayerTabs } from "../components/layer-tabs";
import { From } from "../components/source";
import { loadFirst, loadMap, loadModules } from "../data/store";
import type { LayerSummary } from "../data/types";
import { count, percent } from "../lib/format";
import { Load, Nothing, useLoad, type Loaded } from "../lib/load";
import { nullPhrase } from "../lib/names";
import { paths, useQueryLater } from "../lib/route";
import { useRun, useTitle, useWords } from "../lib/run";

/** Milliseconds after which the layers beside this one are fetched ahead. */
const AHEAD = 400;

function LayerFacts({ about }: { about: LayerSummary }) {
  const annotated = about.rates.find((rate) => rate.rate === "annotated");
  return (
    <div class="facts">
      <span><From of="features.dead" layer={about.layer}>{count(about.n_alive)}</From> of {count(about.n_features)} features alive{about.n_rare !== null && <>, {count(about.n_rare)} rare</>}</span>
      {annotated && (
        <span><From of="rates.value" layer={about.layer} name="annotated" n={`${count(annotated.n)} features`} null={annotated.null}>{percent(annotated.value)}</From> annotated <span class="muted">({nullPhrase(annotated)})</span></span>
      )}
      <span><From of="modules." layer={about.layer}>{count(about.n_modules)}</From> modules</span>
    </div>
  );
}

function Layer({ about }: { about: LayerSummary }) {
  const { id, summary } = useRun();
  const { layer } = about;
  const kept = useQueryLater();
  useTitle(`Layer ${layer}`);
  const words = useWords();
  const first = useLoad(`first ${id} ${layer}`, async (): Promise<LayerData> => {
    const [map, modules] = await Promise.all([loadFirst(id, layer), loadModules(id, layer)]);
    return { map, modules };
  });
  // Of a large layer the first piece is shown until the rest is there, which is asked for when that is on the page.
  const [begun, setBegun] = useState<number | null>(null);
  const whole = useLoad(`layer ${id} ${layer} ${begun === layer}`, async (): Promise<LayerData | null> => {
    if (begun !== layer) return null;
    const [modules, map] = await Promise.all([loadModules(id, layer), loadMap(id, layer)]);
    return { map, modules };
  });
  const { error } = whole;
  const data: Loaded<LayerData> = error ? { error } : whole.value && whole.value.map !== first.value?.map ? { value: whole.value } : first;
  useEffect(() => {
    if (!whole.value) return;
    // Once this layer is there, so that they do not hold it up.
    const later = setTimeout(() => {
      for (const near of [layer - 1, layer + 1]) {
        if (summary.layers.some((other) => other.layer === near)) void Promise.all([loadMap(id, near), loadModules(id, near)]).catch(() => undefined);
      }
    }, AHEAD);
    return () => clearTimeout(later);
  }, [whole.value]);
  // What is chosen on one layer stays chosen on the next, but for what means something else there.
  const { colour = "", filter = "", sort = "", down = "", only = "", more = "" } = kept;
  const pick = colour === "module" ? "" : kept["pick"] ?? "";
  // Reads the address itself: it is not drawn a second time because the links beside it follow the address.
  const explorer = useMemo(
    () => <Load of={words}>{(words) => <Load of={data}>{(data) => <Explorer key={layer} about={about} data={data} words={words} onShown={() => setBegun(layer)} />}</Load>}</Load>,
    [words.value, words.error, data.value, data.error, about],
  );
  return (
    <>
      <header class="page-head row">
        <h1>Layer {layer}</h1>
        <LayerTabs layers={summary.layers.map((l) => l.layer)} current={layer} href={(other) => paths.layer(id, other, { colour, filter, sort, down, pick, only, more })} />
      </header>
      <div class="facts-row"><LayerFacts about={about} /><a href={`#${paths.layers(id, { colour })}`}>All layers at once</a></div>
      {explorer}
    </>
  );
}

export default function LayerPage({ layer }: { layer: number }) {
  const { layers } = useRun().summary;
  const about = layers.find((other) => other.layer === layer);
  return about ? <Layer about={about} /> : <Nothing title="No such layer">This run has the layers {layers.map((other) => other.layer).join(", ")}.</Nothing>;
}
