// What features do when genes are perturbed: perturbations, one of them closely, all together, and known targets.
import { AsPerturbed } from "../components/as-published";
import { Factors } from "../components/factors";
import { HeatMap } from "../components/heat-map";
import { Lacking, middle } from "../components/lacking";
import { LegendView } from "../components/legend";
import { Perturbed } from "../components/perturbed";
import { CsvButton, PythonCell, SvgButton } from "../components/take";
import { From } from "../components/source";
import { VirtualTable, type Column } from "../components/virtual-table";
import { featureName } from "../lib/feature-name";
import { count, fixed, MISSING, number, plural, probability, share, signed } from "../lib/format";
import type { Rate } from "../data/types";
import { Load, useLoad } from "../lib/load";
import { diverging } from "../lib/palette";
import { regulationCode } from "../lib/python-results";
import { loadRegulated, loadRegulation, ofRegulation, Q, type Heat, type Perturbation, type Regulated, type RegulatedLayer, type Regulation } from "../lib/regulation";
import { paths, useQuery } from "../lib/route";
import { useRun, useTitle, useWords, type Words } from "../lib/run";
import { from } from "../lib/source";
import { whyNone } from "../lib/steering";
import { useTheme } from "../lib/theme";

const FULL_T = 8;
const COLUMNS = ["target", "n_cells", "n_guides", "n_replicates", "n_control", "knockdown", "knockdown_p", "responding", "null_mean", "null_q95", "n_permutations"] as const;

/** Responding features as a bar, and what comes of calling controls perturbed as a band from its mean to its 95 % quantile. */
function Beside({ row, top }: { row: Perturbation; top: number }) {
  const at = (n: number | null) => `${Math.min(100, (100 * (n ?? 0)) / top)}%`;
  return (
    <span class="bar responding" aria-hidden="true">
      <i style={{ width: at(row.responding) }} />
      {row.null_q95 !== null && <u style={{ left: at(row.null_mean), right: `calc(100% - ${at(row.null_q95)})` }} />}
      {row.null_mean !== null && <b style={{ left: at(row.null_mean) }} />}
    </span>
  );
}

interface ListProps {
  rows: Perturbation[];
  about: RegulatedLayer;
  chosen: number;
  pick: (i: number) => string;
}

function Perturbations({ rows, about, chosen, pick }: ListProps) {
  const within = ofRegulation("perturbations", about.layer);
  const top = Math.max(1, ...rows.flatMap(({ responding, null_q95 }) => [responding, null_q95 ?? 0]));
  const at = (i: number) => rows[i]!;
  const source = (column: string, row: Perturbation) => from(`perturbations.${column}`, { within, n: `${count(row.n_replicates)} against ${count(row.n_control)} replicates, ${plural(row.n_cells, "cell")}`, null: row.null_mean === null ? "not known: too few control replicates" : `control replicates called perturbed ${count(row.n_permutations)} times: ${number(row.null_mean)} on average, 95 % at most ${number(row.null_q95)}` });
  const columns: Column[] = [
    { key: "target", title: "Perturbed", width: "minmax(6rem, 0.6fr)", phone: "minmax(0, 1fr)", cell: (i) => <a class="gene" href={`#${pick(i)}`} aria-current={i === chosen ? "true" : undefined}>{at(i).target}</a> },
    { key: "bar", title: "", width: "minmax(5rem, 1fr)", phone: "minmax(3rem, 1fr)", cell: (i) => <Beside row={at(i)} top={top} /> },
    { key: "responding", title: "Responding", width: "5.5rem", phone: "5.25rem", numeric: true, help: "features with q < 0.05", cell: (i) => <span class={at(i).responding > (at(i).null_q95 ?? 0) ? "strong" : "muted"} {...source("responding", at(i))}>{count(at(i).responding)}</span> },
    { key: "null", title: "By chance, 95 %", width: "7.5rem", numeric: true, help: "features that respond when control replicates are called perturbed: mean, and what 95 % of such relabellings do not exceed", cell: (i) => <span {...source("null_mean", at(i))}>{number(at(i).null_mean)}<span class="muted"> · {number(at(i).null_q95)}</span></span> },
    { key: "knockdown", title: "Own log₂ change", width: "7.5rem", numeric: true, help: "log2 fold change of the perturbed gene's own expression", cell: (i) => (at(i).knockdown === null ? <span class="muted" title="not measured">not measured</span> : <span class={(at(i).knockdown_p ?? 1) < Q ? "" : "muted"} {...source("knockdown", at(i))}>{signed(fixed(at(i).knockdown), at(i).knockdown)}</span>) },
    { key: "knockdown_p", title: "p", width: "5.25rem", numeric: true, extra: true, help: "p of that change", cell: (i) => <span {...source("knockdown_p", at(i))}>{probability(at(i).knockdown_p)}</span> },
    { key: "cells", title: "Cells", width: "4rem", numeric: true, extra: true, cell: (i) => <span {...source("n_cells", at(i))}>{count(at(i).n_cells)}</span> },
    { key: "guides", title: "Guides", width: "4rem", numeric: true, extra: true, cell: (i) => <span {...source("n_guides", at(i))}>{at(i).n_guides === null ? MISSING : count(at(i).n_guides)}</span> },
    { key: "replicates", title: "Replicates", width: "5.25rem", numeric: true, extra: true, help: "units of the test", cell: (i) => <span {...source("n_replicates", at(i))}>{count(at(i).n_replicates)}</span> },
  ];
  const beyond = rows.filter((row) => row.responding > (row.null_q95 ?? Infinity)).length;
  return (
    <section class="panel table-panel fitted perturbations" style={{ height: `min(30rem, ${13 + 2.5 * rows.length}rem)` }} aria-labelledby="perturbations" data-testid="perturbations">
      <div class="panel-head">
        <div>
          <h2 id="perturbations">Perturbations</h2>
          <p class="muted"><span class="num" {...from("perturbations.responding", { within, how: "perturbations with more responding features than 95 % of relabellings of controls give" })}>{beyond} of {count(rows.length)}</span> move more features than 95 % of relabelled controls; {plural(about.n_features, "feature")} tested</p>
        </div>
        <CsvButton name={["regulation", about.layer, "perturbations"]} what="the perturbations" of={{ table: "perturbations", within }} header={[...COLUMNS]} rows={() => rows.map((row) => COLUMNS.map((column) => row[column]))} />
      </div>
      <p class="chart-key small muted"><span><i class="key-band-bar" /> bar: responding features</span><span><i class="key-null" /> null: tick its mean, band up to its 95 % quantile</span></p>
      <VirtualTable label="Perturbed genes" columns={columns} rows={rows.map((_, i) => i)} selected={chosen} empty="" />
    </section>
  );
}

const known = (notes: RegulatedLayer["notes"], name: string) => (typeof notes[name] === "number" ? notes[name] : null);

/** What the screen is, and what its rates are beside chance. */
function Screen({ about: { layer, notes, n_tests }, rates }: { about: RegulatedLayer; rates: Rate[] }) {
  const within = ofRegulation("rates", layer);
  const [here, there] = [known(notes, "positions_of_a_cell"), known(notes, "positions_of_a_cell_of_the_run")];
  const pairs = rates.find(({ rate }) => rate === "responding");
  const below = rates.find(({ rate }) => rate === "p_below_0.05");
  const published = rates.find(({ rate, protocol }) => rate === "perturbations_responding" && protocol === "published");
  const value = (rate: Rate) => <From of="rates.value" within={within} name={rate.rate} n={plural(rate.n ?? 0, rate.unit)} null={rate.null}>{share(rate.value)}</From>;
  const left = Object.keys((notes["left_out"] as object | undefined) ?? {});
  return (
    <section class="stack-tight" aria-label="The screen">
      {pairs && <p class="lede">{value(pairs)} of {count(n_tests)} pairs of perturbation and feature respond at q &lt; 0.05, by chance {share(pairs.null_mean)}{below && <>; p is below 0.05 in {value(below)}, by chance {share(below.null_mean)}</>}{published && <>. By the published rule {value(published)} of the perturbations respond, and {share(published.null_mean)} of random groups of control cells</>}.</p>}
      <p class="muted">
        {notes["unit"] === "guide" ? "Guides are the replicates of the tests" : "There are no guides, so that cells are the replicates and the p-values say nothing of another experiment"}
        {known(notes, "cells_read") !== null && `; ${count(known(notes, "cells_read"))} cells were read, ${count(known(notes, "control_cells"))} of them control`}
        {left.length > 0 && `; too few cells or guides of ${left.slice(0, 8).join(", ")}${left.length > 8 ? ` and ${left.length - 8} others` : ""}`}.
      </p>
      {here !== null && there !== null && here < there / 2 && <p class="flag">A cell of the screen has {count(here)} positions (median), one of the run {count(there)}: what the model was read on is far from this screen, and its features may mean something else here.</p>}
    </section>
  );
}

function Together({ heat, about, words, pick, chosen }: { heat: Heat; about: RegulatedLayer; words: Words; pick: (target: string) => string; chosen: string }) {
  const { id } = useRun();
  const theme = useTheme();
  const { layer } = about;
  const within = ofRegulation("responses", layer);
  const largest = Math.max(1, ...heat.t.flat().map((t) => Math.abs(t ?? 0)));
  const full = Math.min(FULL_T, largest);
  const names = heat.features.map(([feature, term, genes]) => `${feature} ${featureName(words, { term, genes })}`);
  const caption = `Moderated t of the ${heat.features.length} features of layer ${layer} that respond most strongly, by perturbation; colours are full at ±${fixed(full, 1)}.`;
  const stops = [-1, -0.5, 0, 0.5, 1].map((t) => diverging(t, theme));
  return (
    <section class="panel" aria-labelledby="together" data-testid="heat">
      <div class="panel-head">
        <div><h2 id="together">All of them together</h2><p class="muted">the {plural(heat.features.length, "feature")} that respond most strongly, by perturbation{heat.targets.length < about.n_perturbations && `; the ${heat.targets.length} with most of them`}</p></div>
        <span class="chips">
          <SvgButton name={["regulation", layer, "heat"]} what="the heat map" caption={caption} />
          <CsvButton name={["regulation", layer, "heat"]} what="the heat map" of={{ table: "responses", within }} header={["target", ...heat.features.map(([feature]) => String(feature))]} rows={() => heat.targets.map((target, i) => [target, ...heat.t[i]!])} />
        </span>
      </div>
      {heat.features.length === 0
        ? <p class="empty">No feature responds to any of these perturbations at q &lt; 0.05.</p>
        : (
          <>
            <HeatMap
              label="Signed t of features, by perturbation" full={full} values={heat.t}
              rows={heat.targets.map((target) => ({ name: target, href: pick(target), chosen: target === chosen }))}
              columns={heat.features.map(([feature], j) => ({ name: names[j]!, href: paths.feature(id, layer, feature) }))}
              spoken={(i, j) => `${heat.targets[i]} perturbed, feature ${names[j]}: ${heat.t[i]![j] === null ? "not tested" : `t = ${signed(fixed(heat.t[i]![j]), heat.t[i]![j])}`}`}
            />
            <LegendView legend={{ kind: "numbers", stops, ticks: [-full, -full / 2, 0, full / 2, full].map((t) => signed(fixed(t, t === 0 ? 0 : 1), t)), unit: "moderated t; blue: falls, orange: rises; empty: not tested", none: null }} />
          </>
        )}
    </section>
  );
}

function Shown({ data, about, words }: { data: Regulation; about: RegulatedLayer; words: Words }) {
  const { id, summary } = useRun();
  const [query] = useQuery();
  const rows = data.perturbations;
  const asked = rows.findIndex(({ target }) => target === query["gene"]);
  const wrong = query["gene"] !== undefined && asked < 0;
  const chosen = Math.max(0, asked);
  const pick = (target: string) => paths.regulation(id, { ...query, gene: target });
  return (
    <>
      <Screen about={about} rates={data.rates} />
      {wrong && <p class="note" role="status">{query["gene"]} was not perturbed in this screen, or not in enough cells; {rows[0]?.target} is shown.</p>}
      <Perturbations rows={rows} about={about} chosen={chosen} pick={(i) => pick(rows[i]!.target)} />
      <Perturbed key={rows[chosen]!.target} layer={about.layer} perturbation={rows[chosen]!} i={chosen} words={words} />
      <Together heat={data.heat} about={about} words={words} pick={pick} chosen={rows[chosen]!.target} />
      {data.factors.length
        ? <Factors factors={data.factors} layer={about.layer} />
        : <p class="note">None of the perturbed genes is a transcription factor with enough known targets among the genes that were read, so whether known targets answer first was not asked.</p>}
      <PythonCell code={regulationCode(summary, about.layer, rows[chosen]!.target)} />
    </>
  );
}

function Layer({ layers, about, words }: { layers: RegulatedLayer[]; about: RegulatedLayer; words: Words }) {
  const { id } = useRun();
  const [, change] = useQuery();
  const data = useLoad(`regulation ${id} ${about.layer}`, () => loadRegulation(id, about.layer));
  return (
    <>
      {layers.length > 1 && (
        <div class="toolbar"><label class="inline">Layer <select value={about.layer} onChange={(event) => change({ layer: event.currentTarget.value })}>{layers.map(({ layer }) => <option value={layer}>{layer}</option>)}</select></label></div>
      )}
      <Load of={data}>{(data) => <Shown data={data} about={about} words={words} />}</Load>
    </>
  );
}

const LACKING = "No perturbation screen was read with this run. This asks which features answer when a gene is knocked out, and whether its known targets answer first:";

function Body({ results: { layers, outdated, published }, words }: { results: Regulated; words: Words }) {
  const { summary } = useRun();
  const [query] = useQuery();
  const about = layers.find(({ layer }) => String(layer) === query["layer"]) ?? layers[0];
  return about?.n_perturbations
    ? <Layer key={about.layer} layers={layers} about={about} words={words} />
    : <><Lacking why={whyNone(summary, "perturbations", LACKING, outdated)} command={`cellprism perturb RUN SCREEN --layer ${middle(summary)} --target COLUMN --control VALUE`} />{published && <AsPerturbed of={published} />}</>;
}

export default function RegulationPage() {
  const { id } = useRun();
  useTitle("Regulation");
  const words = useWords();
  const results = useLoad(`regulated ${id}`, () => loadRegulated(id));
  return (
    <>
      <header class="page-head">
        <h1>Regulation</h1>
        <p class="lede">Do features answer when a gene is knocked out, and do its known targets answer first? Cells of a perturbation screen go through the model, and each feature in perturbed cells is compared with itself in control cells.</p>
      </header>
      <Load of={words}>{(words) => <Load of={results}>{(results) => <Body results={results} words={words} />}</Load>}</Load>
    </>
  );
}
