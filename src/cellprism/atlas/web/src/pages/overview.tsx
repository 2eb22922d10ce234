// How good is this dictionary, what does it look like, and where to start.
import { useMemo } from "preact/hooks";
import { FindingCard } from "../components/finding-card";
import { Figures, HeroMap, richest } from "../components/hero";
import { Icon } from "../components/icon";
import { LayerCard } from "../components/layer-card";
import { LayerChart, type LayerPoint } from "../components/layer-chart";
import { LegendView } from "../components/legend";
import { LayerSummaryTable } from "../components/summary-table";
import { Stories } from "../components/stories";
import { PythonCell, SvgButton } from "../components/take";
import { geneNames, loadMini } from "../data/store";
import type { Summary } from "../data/types";
import { useParts } from "../lib/after";
import { count, percent, plural, roundPercent } from "../lib/format";
import { Load } from "../lib/load";
import { metricShow, metricTitle, nullSpan, rateTitle, span, units } from "../lib/names";
import { noneColour } from "../lib/palette";
import { overviewCode } from "../lib/python";
import { paths } from "../lib/route";
import { absence, useRun, useTitle, useWords, type Words } from "../lib/run";
import { useTheme } from "../lib/theme";
import { groupColours, noGroup, type Entry } from "../map/colouring";

const CHARTED = ["explained_variance"];
const FINDINGS = 8;
/** The kind of model of a run that `cellprism import-atlas` made. */
const IMPORTED = "published atlas";

const unique = (names: string[]) => [...new Set(names)];

function Quality({ summary, whole }: { summary: Summary; whole: boolean }) {
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
      <div class="section-head">
        <h2 id="quality">How good is it?</h2>
        <p class="small muted chart-key"><span><i class="key-dot" /> observed</span><span><i class="key-band" /> null: its mean, and up to where 95 % of shuffles fall</span></p>
      </div>
      <div class="cards charts">
        {rates.slice(0, 4).map((name) => (
          <figure class="panel">
            <figcaption>
              <h3>{rateTitle(name)}</h3><p class="figure">{span(ratePoints(name).map(({ value }) => value))}</p><p class="small muted">of {units(about(name)?.unit ?? "")}; {nullSpan(summary.layers.map((layer) => layer.rates.find(({ rate }) => rate === name)))}</p>
            </figcaption>
            <LayerChart points={ratePoints(name)} show={(v) => percent(v)} brief={roundPercent} label={rateTitle(name)} />
            <p class="small muted chart-key">
              <SvgButton name={[name]} what={`the chart of ${rateTitle(name)}`} caption={`${rateTitle(name)}: share of ${units(about(name)?.unit ?? "")} by layer. ${about(name)?.n_permutations ? `Dashed line and band: mean and 95 % quantile under the null (${about(name)?.null}; ${about(name)?.n_permutations} shuffles).` : `Null: ${about(name)?.null}.`}`} />
            </p>
          </figure>
        ))}
        {metrics.filter((name) => CHARTED.includes(name)).map((name) => (
          <figure class="panel">
            <figcaption>
              <h3>{metricTitle(name)}</h3><p class="figure">{span(metricPoints(name).map(({ value }) => value))}</p><p class="small muted">of held-out residuals; the mean alone: 0 %</p>
            </figcaption>
            <LayerChart points={metricPoints(name)} show={(v) => metricShow(name, v)} brief={roundPercent} label={metricTitle(name)} />
            <p class="small muted chart-key">
              <SvgButton name={[name]} what={`the chart of ${metricTitle(name)}`} caption={`${metricTitle(name)} of held-out residuals by layer; 0 % is what the mean alone explains.`} />
            </p>
          </figure>
        ))}
      </div>
      <details class="panel fold plain-fold">
        <summary>Every number, layer by layer</summary>
        {whole && <LayerSummaryTable layers={summary.layers} />}
      </details>
    </section>
  );
}

function Maps({ summary, words }: { summary: Summary; words: Words }) {
  const theme = useTheme();
  const { groups } = words;
  const embedded = !absence(summary, "embedding");
  const hues = groupColours(groups, theme);
  const entries: Entry[] = groups.value.map((name, i) => ({ key: String(i), name, n: null, colour: hues[i]! }));
  entries.sort((a, b) => groups.n_cells[Number(b.key)]! - groups.n_cells[Number(a.key)]!);
  entries.push({ key: "none", name: noGroup, n: null, colour: noneColour(theme) });
  return (
    <section aria-labelledby="maps">
      <div class="section-head">
        <h2 id="maps">All layers</h2>
        <p class="muted">
          Every dot is a feature{embedded ? "; near dots have similar atoms" : ""}. Colour: {groups.value.length ? "the cell group it tells apart best" : "its module, the ten largest of a layer"}. {absence(summary, "embedding")}
        </p>
      </div>
      <ul class="cards minis">
        {summary.layers.map((about) => <li key={about.layer}><LayerCard about={about} words={words} /></li>)}
      </ul>
      {groups.value.length > 0 && <LegendView legend={{ kind: "categories", entries }} />}
    </section>
  );
}

function FindingCards({ summary, words }: { summary: Summary; words: Words }) {
  const genes = useMemo(() => geneNames(summary.genes), [summary]);
  return (
    <ul class="cards findings">
      {summary.findings.slice(0, FINDINGS).map((finding) => (
        <li key={`${finding.layer} ${finding.feature}`}><FindingCard finding={finding} genes={genes} words={words} /></li>
      ))}
    </ul>
  );
}

function StoryCards({ summary, words }: { summary: Summary; words: Words }) {
  const genes = useMemo(() => geneNames(summary.genes), [summary]);
  return (
    <section aria-labelledby="stories" data-testid="stories">
      <div class="section-head"><h2 id="stories">Start here</h2><p class="muted">Found in this run by the numbers on each card. Click a number to see where it comes from.</p></div>
      <Stories stories={summary.stories} genes={genes} words={words} />
    </section>
  );
}

function Findings({ summary, words }: { summary: Summary; words: Words }) {
  return (
    <section aria-labelledby="start" data-testid="findings">
      <div class="section-head">
        <h2 id="start">Well explained</h2>
        <p class="muted">Features that both a gene set and a cell group explain well.</p>
      </div>
      {summary.findings.length === 0
        ? <p class="note">{absence(summary, "celltypes") ?? "No feature of this run passes both tests."} The layers' tables list what there is.</p>
        : <FindingCards summary={summary} words={words} />}
    </section>
  );
}

export default function OverviewPage() {
  const { summary } = useRun();
  const words = useWords();
  const parts = useParts(4);
  // The first picture is on its way while the page around it is drawn.
  useMemo(() => loadMini(summary.id, richest(summary.layers).layer).catch(() => undefined), [summary]);
  useTitle(summary.title);
  const { model, layers } = summary;
  const imported = model.kind === IMPORTED;
  return (
    <>
      <div class="hero">
      <header class="page-head">
        <h1>{summary.title}</h1>
        {summary.absent.length > 0 && (
          <p class="flag">{imported ? "Imported: the numbers are those of the published atlas, and" : "This run is not whole:"} {plural(summary.absent.length, "part")} {imported && "of a run "}{summary.absent.length === 1 ? "is" : "are"} absent. <a href={`#${paths.methods(summary.id)}`}>What is absent, and why</a></p>
        )}
        <p class="lede">
          {imported ? "" : `What ${model.kind} “${model.name}” has learnt, taken apart. `}Each feature is a direction that few genes of few cells use at a time; here are the genes, gene sets and cells that it stands for{imported ? ", as far as they were published" : ", and beside every rate what chance would give"}.
        </p>
        <Figures summary={summary} />
        <p class="chips">
          <a class="button primary" href={`#${paths.layers(summary.id)}`}>All {layers.length > 1 && count(layers.length)} layers at once</a>
          <a class="button" href={`#${paths.genes(summary.id)}`}><Icon name="search" /> Find a gene</a>
          <a class="button" href={`#${paths.list(summary.id)}`}>Paste a gene list</a>
        </p>
      </header>
      <Load of={words}>{(words) => <HeroMap words={words} />}</Load>
      </div>
      {parts > 1 && <Quality summary={summary} whole={parts > 3} />}
      {parts > 2 && words.value && (
        <>
          {summary.stories.length > 0 && <StoryCards summary={summary} words={words.value} />}
          <Findings summary={summary} words={words.value} />
        </>
      )}
      {parts > 3 && words.value && <Maps summary={summary} words={words.value} />}
      {parts > 3 && <PythonCell code={overviewCode(summary)} />}
    </>
  );
}
