// One perturbation: which features answer, how much and how surely.
import { featureName } from "../lib/feature-name";
import { aligned, count, fixed, number, plural, probability, signed } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from } from "../lib/source";
import { loadResponses, loadVolcano, ofRegulation, Q, type Perturbation, type Response, type Volcano } from "../lib/regulation";
import { Forest } from "./forest";
import { CsvButton, SvgButton } from "./take";
import { UNDER, VirtualTable, type Column } from "./virtual-table";
import { VolcanoPlot } from "./volcano";

const FEW = 14;

interface Props {
  layer: number;
  perturbation: Perturbation;
  /** its number among the perturbations of the layer */
  i: number;
  words: Words;
}

function Shown({ layer, perturbation, words, rows, all }: Props & { rows: Response[]; all: Volcano }) {
  const { id } = useRun();
  const { target, n_replicates, n_control } = perturbation;
  const within = ofRegulation("responses", layer);
  const name = (row: Response) => featureName(words, { term: row[1], genes: row[2] });
  const named = (row: Response) => `${layer}·${row[0]} ${name(row)}`;
  const link = (row: Response) => `#${paths.feature(id, layer, row[0])}`;
  const sure = (row: Response) => row[9] !== null && row[9] < Q;
  const of = `Features of layer ${layer} when ${target} is perturbed, ${plural(n_replicates, "replicate")} against ${count(n_control)} of the control`;
  const source = (column: string) => from(`responses.${column}`, { within, n: `${count(n_replicates)} against ${count(n_control)} replicates`, null: "no change; how many features respond by chance is among the perturbations" });
  const cell = (column: string, text: (row: Response) => string) => (i: number) => <span {...source(column)}>{text(rows[i]!)}</span>;
  const show = aligned(rows.map((row) => row[4]));
  const columns: Column[] = [
    { key: "feature", title: "Feature", width: "4.5rem", phone: "minmax(0, 1fr)", cell: (i) => <a class="num" href={link(rows[i]!)}>{layer}·{rows[i]![0]}</a> },
    { key: "name", title: "Label", width: "minmax(7rem, 1fr)", phone: UNDER, cell: (i) => <a class="quiet" href={link(rows[i]!)}>{name(rows[i]!)}</a> },
    { key: "control", title: "Control", width: "5.5rem", numeric: true, help: "mean activation over the positions of a control cell", cell: cell("control", (row) => number(row[3])) },
    { key: "effect", title: "Effect", width: "5.5rem", phone: "5.5rem", numeric: true, help: "perturbed less control, in units of the activation", cell: cell("effect", (row) => show(row[4])) },
    { key: "interval", title: "95 % interval", width: "11rem", numeric: true, extra: true, cell: cell("low", (row) => `${show(row[5])} to ${show(row[6])}`) },
    { key: "t", title: "t", width: "4rem", numeric: true, help: "moderated t", cell: cell("t", (row) => signed(fixed(row[7]), row[7])) },
    { key: "q", title: "q", width: "6rem", phone: "6rem", numeric: true, help: "false discovery rate over all perturbations and features", cell: cell("q", (row) => probability(row[9])) },
  ];
  const csv = () => rows.map((row) => [target, row[0], name(row), ...(row.slice(3) as (number | null)[])]);
  return (
    <>
      <div class="halves">
        <figure class="panel" data-testid="volcano">
          <figcaption class="with-take">
            <h3>Every feature</h3>
            <p class="chart-key small muted"><span><i class="key-mark blue" /> rises</span><span><i class="key-mark vermilion" /> falls</span><span><i class="key-mark none" /> q ≥ 0.05</span></p>
            <SvgButton name={["perturbation", layer, target, "all"]} what="all features" caption={`${of}: effect and −log10 p of each.`} />
          </figcaption>
          <VolcanoPlot data={all} label={`${of}: ${count(all.feature.length)} features by effect and −log10 p`} named={rows.filter(sure).slice(0, 14).map((row) => ({ feature: row[0], href: link(row), name: named(row) }))} />
        </figure>
        <figure class="panel" data-testid="surest">
          <figcaption class="with-take">
            <h3>The surest</h3>
            <p class="chart-key small muted">95 % intervals over replicates; pale: q ≥ 0.05</p>
            <SvgButton name={["perturbation", layer, target]} what="the surest features" caption={`${of}: the ${Math.min(FEW, rows.length)} of smallest p, with 95 % intervals.`} />
          </figcaption>
          <Forest
            none={0} label={`${of}: the surest`} axis="effect, in units of the activation"
            rows={rows.slice(0, FEW).map((row) => ({
              key: String(row[0]), name: named(row), href: link(row), value: row[4], low: row[5], high: row[6], sure: sure(row), note: show(row[4]),
              said: `${named(row)}: effect ${number(row[4])}, interval ${number(row[5])} to ${number(row[6])}, q ${probability(row[9])}`,
            }))}
          />
        </figure>
      </div>
      <section class="panel table-panel short-table" aria-label="Responses as a table" data-testid="responses">
        <p class="table-title">
          <span><b>Features by p</b> <span class="muted">{rows.length < all.feature.length ? `the first ${count(rows.length)} of ${count(all.feature.length)}; the Parquet has all` : plural(rows.length, "feature")}</span></span>
          <span class="push"><CsvButton name={["perturbation", layer, target]} what="the responses" of={{ table: "responses", within }} header={["target", "feature", "label", "control", "effect", "low", "high", "t", "p", "q"]} rows={csv} /></span>
        </p>
        <VirtualTable label={`Features when ${target} is perturbed`} columns={columns} rows={rows.map((_, i) => i)} empty="No feature fired in enough of these cells to be tested." />
      </section>
    </>
  );
}

export function Perturbed(props: Props) {
  const { id } = useRun();
  const { layer, perturbation: own, i } = props;
  const within = ofRegulation("perturbations", layer);
  const source = (column: string) => from(`perturbations.${column}`, { within, n: plural(own.n_replicates, "replicate"), null: `control replicates called perturbed ${count(own.n_permutations)} times` });
  const data = useLoad(`perturbed ${id} ${layer} ${i}`, () => Promise.all([loadResponses(id, layer, i), loadVolcano(id, layer, i)]));
  return (
    <section class="stack" aria-labelledby="perturbed">
      <div class="section-head">
        <h2 id="perturbed"><a href={`#${paths.genes(id, own.target)}`}>{own.target}</a></h2>
        <p class="muted">
          <span class="num" {...source("responding")}>{plural(own.responding, "feature responds", "features respond")}</span> at q &lt; 0.05; {own.null_mean === null ? "how many would by chance is not known: too few control replicates" : <>by chance <span class="num" {...source("null_mean")}>{number(own.null_mean)}</span> (95 % of relabellings give {number(own.null_q95)} or fewer)</>}
          {own.knockdown === null ? "; its own expression is not measured" : <>; its own expression changes by <span class="num" {...source("knockdown")}>{signed(fixed(own.knockdown), own.knockdown)}</span> log₂, p <span class="num" {...source("knockdown_p")}>{probability(own.knockdown_p)}</span></>}
        </p>
      </div>
      <Load of={data}>{([rows, all]) => <Shown {...props} rows={rows} all={all} />}</Load>
    </section>
  );
}
