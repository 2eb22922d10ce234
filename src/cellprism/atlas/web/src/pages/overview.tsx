// How good is this dictionary, what does it look like, and where to start.
import { useMemo } from "preact/hooks";
import { FindingCard } from "../components/finding-card";
import { LayerChart, type LayerPoint } from "../components/layer-chart";
import { LegendView } from "../components/legend";
import { MiniMap } from "../components/mini-map";
import { LayerSummaryTable } from "../components/summary-table";
import { NONE16 } from "../data/columns";
import { loadGenes, loadMaps } from "../data/store";
import type { Summary } from "../data/types";
import { count, percent, plural } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { metricShow, metricTitle, rateTitle, units } from "../lib/names";
import { categories, noneColour, otherColour, pixel } from "../lib/palette";
import { paths } from "../lib/route";
import { useRun, useTitle, useWords, type Words } from "../lib/run";
import { mapBackground, useTheme } from "../lib/theme";
import type { Entry } from "../map/colouring";

const CHARTED = ["explained_variance"];
const FINDINGS = 12;

const unique = (names: string[]) => [...new Set(names)];

function Quality({ summary }: { summary: Summary }) {
  const rates = unique(summary.layers.flatMap((layer) => layer.rates.map((rate) => rate.rate))).filter((name) => !name.includes(":"));
  const metrics = unique(summary.layers.flatMap((layer) => layer.metrics.map((metric) => metric.metric)));
  const ratePoints = (name: string): LayerPoint[] => summary.layers.map(({ layer, rates }) => {
    const rate = rates.find((other) => other.rate === name);
    return { layer, value: rate?.value ?? null, nullMean: rate?.null_mean ?? null, nullQ95: rate?.null_q95 ?? null };
  });
  const metricPoints = (name: string): LayerPoint[] => summary.layers.map(({ layer, metrics }) =>
    ({ layer, value: metrics.find((other) => other.metric === name)?.value ?? null }));
  const about = (name: string) => summary.layers.flatMap((layer) => layer.rates).find((rate) => rate.rate === name);
  return (
    <section aria-labelledby="quality">
      <h2 id="quality">How good is it?</h2>
      <div class="cards charts">
        {rates.slice(0, 4).map((name) => (
          <figure class="panel">
            <figcaption><h3>{rateTitle(name)}</h3><p class="small muted">share of {units(about(name)?.unit ?? "")}, by layer</p></figcaption>
            <LayerChart points={ratePoints(name)} show={(v) => percent(v)} label={rateTitle(name)} />
            <p class="small muted chart-key"><span><i class="key-dot" /> observed</span><span><i class="key-band" /> null, mean to 95 %</span></p>
          </figure>
        ))}
        {metrics.filter((name) => CHARTED.includes(name)).map((name) => (
          <figure class="panel">
            <figcaption><h3>{metricTitle(name)}</h3><p class="small muted">of held-out residuals, by layer</p></figcaption>
            <LayerChart points={metricPoints(name)} show={(v) => metricShow(name, v)} label={metricTitle(name)} />
            <p class="small muted chart-key"><span><i class="key-dot" /> observed</span><span>0 % = the mean residual</span></p>
          </figure>
        ))}
      </div>
      <details class="panel fold plain-fold">
        <summary>Every number, layer by layer</summary>
        <LayerSummaryTable layers={summary.layers} />
      </details>
    </section>
  );
}

function Maps({ summary, words }: { summary: Summary; words: Words }) {
  const { id } = useRun();
  const theme = useTheme();
  const layers = summary.layers.map((layer) => layer.layer);
  const maps = useLoad(`maps ${id}`, () => loadMaps(id, layers));
  // One colour per cell group in all layers: the groups with most features over the whole run.
  const { entries, colours } = useMemo(() => {
    const counts = new Map<number, number>();
    for (const map of maps.value?.values() ?? []) {
      for (const group of map.group) if (group !== NONE16) counts.set(group, (counts.get(group) ?? 0) + 1);
    }
    const hues = categories(theme);
    const entries: Entry[] = [...counts].sort((a, b) => b[1] - a[1]).map(([group, n], i) =>
      ({ key: String(group), name: words.groups.value[group] ?? "", n, colour: hues[i] ?? otherColour(theme) }));
    return { entries, colours: new Map(entries.map((e) => [Number(e.key), pixel(e.colour)])) };
  }, [maps.value, theme]);
  return (
    <section aria-labelledby="maps">
      <div class="section-head">
        <h2 id="maps">All layers</h2>
        <p class="muted">Every dot is a feature; near dots have similar atoms. Colour: the cell group it tells apart best.</p>
      </div>
      <Load of={maps}>
        {(maps) => (
          <>
            <ul class="cards minis">
              {summary.layers.map(({ layer, n_annotated, n_alive }) => {
                const map = maps.get(layer)!;
                const colour = Uint32Array.from(map.group, (g) => colours.get(g) ?? pixel(noneColour(theme)));
                return (
                  <li>
                    <a class="panel mini" href={`#${paths.layer(id, layer)}`}>
                      <MiniMap map={map} colour={colour} background={mapBackground(theme)} under={(i) => map.group[i] === NONE16} />
                      <span class="mini-name"><span class="strong">Layer {layer}</span><span class="small muted num">{count(n_annotated)} of {count(n_alive)} annotated</span></span>
                    </a>
                  </li>
                );
              })}
            </ul>
            <LegendView legend={{ kind: "categories", entries: [...entries, { key: "none", name: "no group at q < 0.05", colour: noneColour(theme), n: [...maps.values()].reduce((sum, map) => sum + map.group.filter((g) => g === NONE16).length, 0) }] }} />
          </>
        )}
      </Load>
    </section>
  );
}

function Findings({ summary, words }: { summary: Summary; words: Words }) {
  const { id } = useRun();
  const genes = useLoad(`genes ${id}`, () => loadGenes(id));
  return (
    <section aria-labelledby="start" data-testid="findings">
      <div class="section-head">
        <h2 id="start">Start here</h2>
        <p class="muted">Features that both a gene set and a cell group explain well.</p>
      </div>
      {summary.findings.length === 0
        ? <p class="note">No feature of this run passes both tests; the layers' tables list what there is.</p>
        : <Load of={genes}>{(genes) => (
            <ul class="cards findings">
              {summary.findings.slice(0, FINDINGS).map((finding) => (
                <li key={`${finding.layer} ${finding.feature}`}><FindingCard finding={finding} genes={genes} words={words} /></li>
              ))}
            </ul>
          )}</Load>}
    </section>
  );
}

export default function OverviewPage() {
  const { summary } = useRun();
  const words = useWords();
  useTitle(summary.title);
  const { cells, model, layers } = summary;
  const features = layers.reduce((sum, layer) => sum + layer.n_features, 0);
  const annotated = layers.reduce((sum, layer) => sum + layer.n_annotated, 0);
  return (
    <>
      <header class="page-head hero">
        <h1>{summary.title}</h1>
        <p class="lede">
          {count(features)} features in {plural(layers.length, "layer")} of {model.kind} “{model.name}”, read from {plural(cells.n_cells, "cell")} and {count(cells.n_positions)} gene positions.{" "}
          {count(annotated)} of them carry a gene set label that survives correction; each rate stands beside its null.
        </p>
      </header>
      <Quality summary={summary} />
      <Load of={words}>{(words) => <><Maps summary={summary} words={words} /><Findings summary={summary} words={words} /></>}</Load>
    </>
  );
}
