// The head of the overview: what the run is, its first numbers, and one of its layers as a map with the surest names.
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { loadMini } from "../data/store";
import type { LayerSummary, Summary } from "../data/types";
import { clip, count, mapTerm, plural } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { nullSpan, span } from "../lib/names";
import { noneColour, pixel } from "../lib/palette";
import { paths } from "../lib/route";
import { absence, useRun, written, type Words } from "../lib/run";
import { mapBackground, useTheme } from "../lib/theme";
import { colouring } from "../map/colouring";
import { Icon } from "./icon";
import { LegendView } from "./legend";
import { MiniMap } from "./mini-map";
import { From } from "./source";

const NAME = 34;

function Figure({ name, about, children }: { name: string; about: ComponentChildren; children: ComponentChildren }) {
  return <div><dt>{name}</dt><dd class="figure">{children}</dd><dd class="small muted">{about}</dd></div>;
}

/** The first numbers of the run, of all layers. */
export function Figures({ summary }: { summary: Summary }) {
  const { cells, layers } = summary;
  const sum = (of: (layer: LayerSummary) => number) => layers.reduce((total, layer) => total + of(layer), 0);
  const first = layers[0]!;
  const rate = (layer: LayerSummary) => layer.rates.find(({ rate }) => rate === "annotated");
  const annotated = span(layers.map((layer) => rate(layer)?.value));
  const explained = span(layers.map(({ metrics }) => metrics.find(({ metric }) => metric === "explained_variance")?.value));
  const own = rate(first);
  const [all, alive] = [sum((layer) => layer.n_features), sum((layer) => layer.n_alive)];
  return (
    <dl class="figures">
      <Figure name="Features" about={`in ${plural(layers.length, "layer")}; ${alive === all ? "every one" : count(alive)} fires somewhere`}><From of="features.dead" layer={first.layer}>{count(all)}</From></Figure>
      {annotated && <Figure name="Annotated" about={own && `of a layer's features; ${nullSpan(layers.map(rate))}`}><From of="rates.value" layer={first.layer} name="annotated" null={own?.null ?? ""}>{annotated}</From></Figure>}
      {explained && <Figure name="Explained variance" about="of held-out residuals; the mean alone is 0 %"><From of="metrics.value" layer={first.layer} name="explained_variance">{explained}</From></Figure>}
      <Figure name={cells.n_cells === null ? "Positions" : "Cells"} about={cells.n_cells === null ? "genes in cells that the model read" : `${count(cells.n_positions)} gene positions read`}>{count(cells.n_cells ?? cells.n_positions)}</Figure>
    </dl>
  );
}

/** The layer of which the largest share is annotated: it is shown first. */
export const richest = (layers: LayerSummary[]) => layers.reduce((best, layer) => (layer.n_annotated / layer.n_features > best.n_annotated / best.n_features ? layer : best));

export function HeroMap({ words }: { words: Words }) {
  const { id, summary } = useRun();
  const { layers } = summary;
  const theme = useTheme();
  const [about, setAbout] = useState(() => richest(layers));
  const { layer } = about;
  const loaded = useLoad(`mini ${id} ${layer}`, () => loadMini(id, layer));
  const mode = words.groups.value.length ? "group" : "module";
  const names = useMemo(() => (about.names ?? []).map(([term, x, y]) => ({ text: clip(mapTerm(words.terms.term[term] ?? ""), NAME), strong: false, x, y })), [about, words]);
  const coloured = useMemo(() => loaded.value && colouring(mode, loaded.value, words, [], theme), [loaded.value, words, theme]);
  const under = pixel(noneColour(theme));
  const link = `#${paths.layer(id, layer)}`;
  return (
    <figure class="panel hero-map" data-layer={layer}>
      <figcaption class="panel-head">
        <h2>Layer {layer} <span class="muted">{count(about.n_alive)} features</span></h2>
        <a class="button" href={link}>Explore it <Icon name="right" /></a>
      </figcaption>
      <a class="hero-picture" href={link} tabIndex={-1} aria-hidden="true">
        <Load of={loaded}>{(map) => <MiniMap map={map} colour={coloured!.colour} background={mapBackground(theme)} under={(i) => coloured!.colour[i] === under} names={names} />}</Load>
      </a>
      {layers.length > 1 && (
        <div class="layer-tabs" role="group" aria-label="Layer on the map">
          {layers.map((other) => <button type="button" aria-pressed={other === about} aria-label={`Show layer ${other.layer}`} onClick={() => setAbout(other)}>{other.layer}</button>)}
        </div>
      )}
      {mode === "group" && coloured && coloured.legend.kind === "categories" && (
        <LegendView legend={{ kind: "categories", entries: coloured.legend.entries.map((entry) => ({ ...entry, n: null })) }} />
      )}
      <p class="small muted">
        Every dot is a feature{absence(summary, "embedding") ? "" : "; near dots have similar atoms"}; written are {written(summary, layer)}. Colour: {mode === "group" ? "the cell group it tells apart best" : "its module"}. {absence(summary, "embedding")}
      </p>
    </figure>
  );
}
