// Whether the known targets of a transcription factor answer first: by features, and by expression alone.
import { count, fixed, number, percent, plural, probability } from "../lib/format";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";
import { ofRegulation, Q, type Factor } from "../lib/regulation";
import { Forest } from "./forest";
import { CsvButton, SvgButton } from "./take";
import { VirtualTable, type Column } from "./virtual-table";

const FEW = 20;
/** Below this power a test that finds nothing says nothing. */
const POWER = 0.5;
const FACTOR_COLUMNS = ["target", "source", "n_targets", "n_matched", "auroc", "p", "q", "auroc_expression", "p_expression", "q_expression", "power", "planted"] as const;

/** What the tests say together, in sentences. */
export function verdict(factors: Factor[]): string {
  const sure = (q: number | null) => q !== null && q < Q;
  const first = factors.filter(({ q }) => sure(q));
  const plain = factors.filter(({ q_expression }) => sure(q_expression)).length;
  const alone = first.filter(({ q_expression }) => !sure(q_expression)).length;
  const powers = factors.flatMap(({ power }) => (power === null ? [] : [power])).sort((a, b) => a - b);
  const middle = powers.length ? (powers[(powers.length - 1) >> 1]! + powers[powers.length >> 1]!) / 2 : null;
  const planted = [...new Set(factors.flatMap(({ planted }) => (planted === null ? [] : [fixed(planted)])))].sort();
  const meaning = alone
    ? `${alone} of them ${alone === 1 ? "is" : "are"} not seen in the expression itself: there the features know more of the targets than the counts of the cell say.`
    : first.length
      ? "Expression alone answers as well: what the features show is in the counts already, and the model adds nothing to it."
      : plain
        ? "The signal is in the input, and these features do not show it."
        : "The signal is not in the input either, so that features can hardly show it.";
  return `Known targets answer first, at q < 0.05, for ${first.length} of ${plural(factors.length, "factor")} by features and for ${plain} by the change of expression alone. ${meaning}` +
    (middle === null ? "" : ` Answers that were planted (AUROC ${planted[0]}${planted.length > 1 ? ` to ${planted.at(-1)}` : ""}) are found in ${percent(middle, 0)} of trials, the median over factors${middle < POWER ? ": too few to say anything from what is not found" : ""}.`);
}

export function Factors({ factors, layer }: { factors: Factor[]; layer: number }) {
  const { id } = useRun();
  const within = ofRegulation("tf_targets", layer);
  const networks = [...new Set(factors.map(({ source }) => source))];
  const sure = (q: number | null) => q !== null && q < Q;
  const cell = (column: keyof Factor, text: (factor: Factor) => string, q?: "q" | "q_expression") => (i: number) => {
    const factor = factors[i]!;
    return <span class={q && sure(factor[q]) ? "strong" : ""} {...from(`tf_targets.${column}`, { within, n: `${count(factor.n_targets)} known targets and ${plural(factor.n_matched, "matched gene")}`, null: "members of each match exchanged" })}>{text(factor)}</span>;
  };
  const columns: Column[] = [
    { key: "target", title: "Factor", width: "minmax(5rem, 1fr)", phone: "minmax(0, 1fr)", cell: (i) => <a class="gene" href={`#${paths.genes(id, factors[i]!.target)}`}>{factors[i]!.target}</a> },
    ...(networks.length > 1 ? [{ key: "source", title: "Network", width: "6rem", extra: true, cell: (i: number) => factors[i]!.source }] : []),
    { key: "n", title: "Targets", width: "3.75rem", numeric: true, help: "its known targets among the genes that were read", cell: cell("n_targets", (f) => count(f.n_targets)) },
    { key: "auroc", title: "By features", width: "5rem", phone: "5rem", numeric: true, help: "AUROC: chance that a known target answers more than a matched gene", cell: cell("auroc", (f) => fixed(f.auroc), "q") },
    { key: "p", title: "p", width: "4.25rem", numeric: true, extra: true, cell: cell("p", (f) => probability(f.p)) },
    { key: "q", title: "q", width: "4.25rem", numeric: true, cell: cell("q", (f) => probability(f.q), "q") },
    { key: "auroc_expression", title: "Expression", width: "5rem", phone: "5.25rem", numeric: true, help: "AUROC by the change of the gene's own expression", cell: cell("auroc_expression", (f) => fixed(f.auroc_expression), "q_expression") },
    { key: "p_expression", title: "p", width: "4.25rem", numeric: true, extra: true, cell: cell("p_expression", (f) => probability(f.p_expression)) },
    { key: "q_expression", title: "q", width: "4.25rem", numeric: true, cell: cell("q_expression", (f) => probability(f.q_expression), "q_expression") },
    { key: "power", title: "Power", width: "3.75rem", numeric: true, help: "share of planted answers that the same test finds", cell: cell("power", (f) => percent(f.power, 0)) },
  ];
  const caption = `Whether the known targets of transcription factors answer before matched genes when the factor is perturbed: AUROC by the features of layer ${layer}, and (diamond) by the change of expression alone; 0.5 is chance.`;
  return (
    <section class="stack" aria-labelledby="factors" data-testid="factors">
      <div class="section-head"><h2 id="factors">Do known targets answer first?</h2><p class="muted">targets of {networks.join(", ")}, against genes as strongly expressed that are no known targets</p></div>
      <p class="lede" data-testid="verdict">{verdict(factors)}</p>
      <div class="factors">
        <figure class="panel">
          <figcaption class="with-take">
            <h3>AUROC by factor</h3>
            <p class="chart-key small muted"><span><i class="key-dot" /> by features; pale: q ≥ 0.05</span><span><i class="key-diamond" /> by expression alone</span></p>
            <SvgButton name={["regulation", layer, "factors"]} what="the factors" caption={caption} />
          </figcaption>
          <Forest
            none={0.5} label={caption} axis="AUROC" ends={["after", "before matched genes"]}
            rows={factors.slice(0, FEW).map((f) => ({
              key: `${f.target} ${f.source}`, name: networks.length > 1 ? `${f.target}, ${f.source}` : f.target, href: `#${paths.genes(id, f.target)}`,
              value: f.auroc, low: null, high: null, beside: f.auroc_expression, sure: sure(f.q), note: `q ${number(f.q)}`,
              said: `${f.target}: AUROC by features ${fixed(f.auroc)}, q ${probability(f.q)}; by expression ${fixed(f.auroc_expression)}, q ${probability(f.q_expression)}`,
            }))}
          />
          {factors.length > FEW && <p class="small muted table-note">The {FEW} of smallest p; the table has all.</p>}
        </figure>
        <section class="panel table-panel fitted" style={{ height: `${7 + 2.5 * Math.min(12, factors.length)}rem` }} aria-label="Factors as a table">
          <p class="table-title"><span class="strong">Factors by p</span><span class="push"><CsvButton name={["regulation", layer, "factors"]} what="the factors" of={{ table: "tf_targets", within }} header={[...FACTOR_COLUMNS]} rows={() => factors.map((f) => FACTOR_COLUMNS.map((column) => f[column]))} /></span></p>
          <VirtualTable label="Factors" columns={columns} rows={factors.map((_, i) => i)} empty="" />
        </section>
      </div>
    </section>
  );
}
