// Whether the known targets of a transcription factor answer first: by features, and by expression alone.
import { count, fixed, MISSING, percent, plural, probability, tick } from "../lib/format";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";
import { ofRegulation, Q, type Factor } from "../lib/regulation";
import { Forest } from "./forest";
import { CsvButton, SvgButton } from "./take";
import { VirtualTable, type Column } from "./virtual-table";

const FEW = 20;
/** Least power of a test that finding nothing says something. */
const POWER = 0.8;

/** What the tests say together, in sentences. */
function verdict(factors: Factor[]): string {
  const byFeatures = factors.filter(({ q }) => q !== null && q < Q);
  const byExpression = factors.filter(({ q_expression: q }) => q !== null && q < Q);
  const ahead = byFeatures.filter(({ auroc, auroc_expression: other }) => (auroc ?? 0) > (other ?? 0));
  const able = factors.filter(({ power }) => (power ?? 0) >= POWER);
  const planted = factors[0]?.planted ?? null;
  const found = `Known targets answer first, at q < 0.05, for ${byFeatures.length} of ${plural(factors.length, "factor")} by features and for ${byExpression.length} by the change of expression alone.`;
  const meaning = byFeatures.length === 0
    ? (able.length === 0 ? "That shows little either way:" : "So these features do not single out known targets:")
    : ahead.length === 0
      ? "Expression ranks the targets of these factors as high as features do: what the features show is in the counts already, and no knowledge of regulation has to be behind it:"
      : `For ${ahead.length} of them features rank the targets higher than expression does; where they do not, what features show is in the counts already:`;
  return `${found} ${meaning} the test would have found an AUROC of ${fixed(planted)} with a chance of ${POWER * 100} % or more for ${able.length} of ${plural(factors.length, "factor")}.`;
}

export function Factors({ factors, layer }: { factors: Factor[]; layer: number }) {
  const { id } = useRun();
  const within = ofRegulation("tf_targets", layer);
  const networks = new Set(factors.map(({ source }) => source)).size;
  const source = (column: string, factor: Factor) => from(`tf_targets.${column}`, { within, n: `${count(factor.n_targets)} known targets and ${plural(factor.n_matched, "matched gene")}`, null: "members of each match exchanged" });
  const at = (i: number) => factors[i]!;
  const strong = (q: number | null) => (q !== null && q < Q ? "strong" : "muted");
  const columns: Column[] = [
    { key: "target", title: "Factor", width: "minmax(5rem, 1fr)", phone: "minmax(0, 1fr)", cell: (i) => <a class="gene" href={`#${paths.genes(id, at(i).target)}`}>{at(i).target}</a> },
    ...(networks > 1 ? [{ key: "source", title: "Network", width: "6rem", extra: true, cell: (i: number) => at(i).source }] : []),
    { key: "n", title: "Targets", width: "4.5rem", numeric: true, help: "its known targets among the genes that were read", cell: (i) => <span {...source("n_targets", at(i))}>{count(at(i).n_targets)}</span> },
    { key: "auroc", title: "By features", width: "5.75rem", phone: "4.75rem", numeric: true, help: "AUROC: chance that a known target answers more than a matched gene", cell: (i) => <span class={strong(at(i).q)} {...source("auroc", at(i))}>{fixed(at(i).auroc)}</span> },
    { key: "p", title: "p", width: "4.5rem", numeric: true, extra: true, cell: (i) => <span {...source("p", at(i))}>{probability(at(i).p)}</span> },
    { key: "q", title: "q", width: "4.5rem", numeric: true, cell: (i) => <span class={strong(at(i).q)} {...source("q", at(i))}>{probability(at(i).q)}</span> },
    { key: "auroc_expression", title: "By expression", width: "6.5rem", phone: "5.75rem", numeric: true, help: "the same by the change of the gene's own expression", cell: (i) => <span class={strong(at(i).q_expression)} {...source("auroc_expression", at(i))}>{fixed(at(i).auroc_expression)}</span> },
    { key: "p_expression", title: "p", width: "4.5rem", numeric: true, extra: true, cell: (i) => <span {...source("p_expression", at(i))}>{probability(at(i).p_expression)}</span> },
    { key: "q_expression", title: "q", width: "4.5rem", numeric: true, cell: (i) => <span class={strong(at(i).q_expression)} {...source("q_expression", at(i))}>{probability(at(i).q_expression)}</span> },
    { key: "power", title: "Power", width: "4.5rem", numeric: true, help: "chance to find what was planted", cell: (i) => <span class={(at(i).power ?? 0) < POWER ? "muted" : ""} {...source("power", at(i))}>{at(i).power === null ? MISSING : percent(at(i).power, 0)}</span> },
  ];
  const shown = factors.slice(0, FEW);
  const caption = `Whether the known targets of transcription factors answer before matched genes when the factor is perturbed: AUROC by the features of layer ${layer}, and by the change of expression alone; 0.5 is chance.`;
  const header = ["target", "source", "n_targets", "n_matched", "auroc", "p", "q", "auroc_expression", "p_expression", "q_expression", "power", "planted"];
  const csv = () => factors.map((f) => [f.target, f.source, f.n_targets, f.n_matched, f.auroc, f.p, f.q, f.auroc_expression, f.p_expression, f.q_expression, f.power, f.planted]);
  return (
    <section class="stack" aria-labelledby="factors" data-testid="factors">
      <div class="section-head"><h2 id="factors">Do known targets answer first?</h2><p class="muted">{[...new Set(factors.map(({ source }) => source))].join(", ")}; genes as strongly expressed that are no known targets beside them</p></div>
      <p class="lede" data-testid="verdict">{verdict(factors)}</p>
      <div class="halves">
        <figure class="panel">
          <figcaption class="with-take">
            <h3>AUROC by factor</h3>
            <p class="chart-key small muted"><span><i class="key-mark blue" /> by features</span><span><i class="key-mark matched" /> by expression alone</span><span>hollow: q ≥ 0.05</span></p>
            <SvgButton name={["regulation", layer, "factors"]} what="the factors" caption={caption} />
          </figcaption>
          <Forest
            label={caption} axis="AUROC; line: 0.5, chance" show={tick} zero={0.5} range={[0.4, 0.7]}
            groups={[{
              title: "", tone: "blue", side: 0,
              rows: shown.map((f) => ({
                key: `${f.target} ${f.source}`, name: networks > 1 ? `${f.target}, ${f.source}` : f.target, href: paths.genes(id, f.target), text: fixed(f.auroc),
                marks: [{ value: f.auroc, low: null, high: null, kind: "own", sure: f.q !== null && f.q < Q }, { value: f.auroc_expression, low: null, high: null, kind: "matched" }],
                spoken: `by features ${fixed(f.auroc)}, by expression ${fixed(f.auroc_expression)}`,
              })),
            }]}
          />
          {shown.length < factors.length && <p class="small muted table-note">The {FEW} of smallest p; the table has all.</p>}
        </figure>
        <section class="panel table-panel" aria-label="Factors as a table">
          <p class="table-title"><span class="strong">Factors by p</span><span class="push"><CsvButton name={["regulation", layer, "factors"]} what="the factors" of={{ table: "tf_targets", within }} header={header} rows={csv} /></span></p>
          <VirtualTable label="Factors" columns={columns} rows={factors.map((_, i) => i)} empty="" />
        </section>
      </div>
    </section>
  );
}
