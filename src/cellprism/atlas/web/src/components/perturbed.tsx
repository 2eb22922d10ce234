// One perturbation: which features answer, how much and how surely.
import { featureName } from "../lib/feature-name";
import { count, fixed, number, plural, probability, signed, tick } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from } from "../lib/source";
import { loadResponses, loadVolcano, ofRegulation, Q, type Perturbation, type Response, type Volcano } from "../lib/regulation";
import { Forest } from "./forest";
import { CsvButton, SvgButton } from "./take";
import { VirtualTable, type Column } from "./virtual-table";
import { VolcanoPlot } from "./volcano";

const FEW = 16;

interface Props {
  layer: number;
  perturbation: Perturbation;
  /** its number among the perturbations of the layer */
  i: number;
  words: Words;
}

function Shown({ layer, perturbation, words, rows, all }: Props & { rows: Response[]; all: Volcano }) {
  const { id } = useRun();
  const { target } = perturbation;
  const within = ofRegulation("responses", layer);
  const name = (row: Response) => featureName(words, { term: row[1], genes: row[2] });
  const link = (row: Response) => paths.feature(id, layer, row[0]);
  const of = `Features of layer ${layer} when ${target} is perturbed, ${plural(perturbation.n_replicates, "replicate")} against ${count(perturbation.n_control)} of the control`;
  const source = (column: string) => from(`responses.${column}`, { within, n: `${count(perturbation.n_replicates)} against ${count(perturbation.n_control)} replicates`, null: "no change; beside it, control replicates called perturbed" });
  const at = (i: number) => rows[i]!;
  const columns: Column[] = [
    { key: "feature", title: "Feature", width: "4.5rem", phone: "4rem", cell: (i) => <a class="num" href={`#${link(at(i))}`}>{layer}·{at(i)[0]}</a> },
    { key: "name", title: "Label", width: "minmax(7rem, 1fr)", phone: "minmax(0, 1fr)", cell: (i) => <a class="quiet" href={`#${link(at(i))}`}>{name(at(i))}</a> },
    { key: "control", title: "Control", width: "5rem", numeric: true, help: "mean activation over the positions of a control cell", cell: (i) => <span {...source("control")}>{number(at(i)[3])}</span> },
    { key: "effect", title: "Effect", width: "5rem", phone: "4.75rem", numeric: true, help: "perturbed less control, in units of the activation", cell: (i) => <span {...source("effect")}>{signed(number(at(i)[4]), at(i)[4])}</span> },
    { key: "interval", title: "95 % interval", width: "10rem", numeric: true, extra: true, cell: (i) => <span {...source("low")}>{number(at(i)[5])} to {number(at(i)[6])}</span> },
    { key: "t", title: "t", width: "4rem", numeric: true, help: "moderated t", cell: (i) => <span {...source("t")}>{signed(fixed(at(i)[7]), at(i)[7])}</span> },
    { key: "q", title: "q", width: "5.25rem", phone: "5rem", numeric: true, help: "false discovery rate over all perturbations and features", cell: (i) => <span class={(at(i)[9] ?? 1) < Q ? "strong" : "muted"} {...source("q")}>{probability(at(i)[9])}</span> },
  ];
  const csv = () => rows.map((row) => [target, row[0], name(row), ...row.slice(3)] as (string | number | null)[]);
  return (
    <>
      <div class="halves">
        <figure class="panel" data-testid="volcano">
          <figcaption class="with-take">
            <h3>Every feature</h3>
            <p class="chart-key small muted"><span><i class="key-mark blue" /> rises</span><span><i class="key-mark vermilion" /> falls</span><span><i class="key-mark none" /> q ≥ 0.05</span></p>
            <SvgButton name={["perturbation", layer, target, "all"]} what="all features" caption={`${of}: effect and −log10 p of each.`} />
          </figcaption>
          <VolcanoPlot data={all} label={`${of}: ${count(all.feature.length)} features by effect and −log10 p`} show={tick} named={rows.filter((row) => (row[9] ?? 1) < Q).slice(0, 14).map((row) => ({ feature: row[0], href: link(row), name: `${layer}·${row[0]} ${name(row)}` }))} />
        </figure>
        <figure class="panel" data-testid="responses-figure">
          <figcaption class="with-take">
            <h3>The surest</h3>
            <p class="chart-key small muted"><span>95 % intervals over replicates; hollow: q ≥ 0.05</span></p>
            <SvgButton name={["perturbation", layer, target]} what="the surest features" caption={`${of}: the ${Math.min(FEW, rows.length)} of smallest p, with 95 % intervals.`} />
          </figcaption>
          <Forest
            label={`${of}: the surest`} axis="effect, in units of the activation" show={tick}
            groups={[{
              title: "", tone: "blue", side: 0,
              rows: rows.slice(0, FEW).map((row) => ({
                key: String(row[0]), place: `${layer}·${row[0]}`, name: name(row), href: link(row), text: signed(number(row[4]), row[4]),
                marks: [{ value: row[4], low: row[5], high: row[6], kind: "own", sure: (row[9] ?? 1) < Q }],
                spoken: `effect ${number(row[4])}, interval ${number(row[5])} to ${number(row[6])}, q ${probability(row[9])}`,
              })),
            }]}
          />
        </figure>
      </div>
      <section class="panel table-panel steering-table" aria-label="Responses as a table" data-testid="responses">
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
  const { layer, perturbation, i } = props;
  const within = ofRegulation("perturbations", layer);
  const source = (column: string, n = "") => from(`perturbations.${column}`, { within, n, null: `control replicates called perturbed ${count(perturbation.n_permutations)} times` });
  const data = useLoad(`perturbed ${id} ${layer} ${i}`, () => Promise.all([loadResponses(id, layer, i), loadVolcano(id, layer, i)]));
  return (
    <section class="stack" aria-labelledby="perturbed">
      <div class="section-head">
        <h2 id="perturbed"><a href={`#${paths.genes(id, perturbation.target)}`}>{perturbation.target}</a></h2>
        <p class="muted">
          <span class="num" {...source("responding", plural(perturbation.n_replicates, "replicate"))}>{plural(perturbation.responding, "feature responds", "features respond")}</span> at q &lt; 0.05, <span class="num" {...source("null_mean")}>{number(perturbation.null_mean)}</span> where nothing was perturbed (95 % below {number(perturbation.null_q95)})
          {perturbation.knockdown === null ? "; its own expression is not measured" : <>; its own expression changes by <span class="num" {...source("knockdown")}>{signed(fixed(perturbation.knockdown), perturbation.knockdown)}</span> log₂, p <span class="num" {...source("knockdown_p")}>{probability(perturbation.knockdown_p)}</span></>}
        </p>
      </div>
      <Load of={data}>{([rows, all]) => <Shown {...props} rows={rows} all={all} />}</Load>
    </section>
  );
}
