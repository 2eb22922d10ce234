// What an imported atlas published of causes: numbers of its authors, without nulls.
import { count, fixed, shortTerm } from "../lib/format";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";
import { useFew } from "./evidence";
import { StackedTable } from "./stacked-table";
import { CsvButton } from "./take";

type Maybe = number | null;

export interface PublishedPatching {
  layer: number;
  /** the largest ratio first */
  rows: [feature: number, term: string | null, own: Maybe, other: Maybe, ratio: Maybe][];
}

export interface PublishedResponses {
  layer: number;
  /** the most responding features first */
  rows: [target: string, factor: boolean, known: number, responding: number, specific: number, top: [feature: number, effect: Maybe][]][];
}

const FEW = 12;
const MOST = 120;
/** Features of a perturbed gene that the table has room for. */
const LARGEST = 3;

/** Above 1 the ratio was called specific; the layer is inferred. */
export function AsPatched({ of: { layer, rows } }: { of: PublishedPatching }) {
  const { id } = useRun();
  const [shown, more] = useFew(rows, FEW, "published", MOST);
  const origin = (column: string) => from(`published_patching.${column}`, { layer, null: "none was published" });
  return (
    <section class="panel" aria-labelledby="as-patched" data-testid="as-patched">
      <div class="panel-head">
        <h3 id="as-patched">As published, {count(rows.length)} features of layer {layer}</h3>
        <span><CsvButton name={["published", "patching", layer]} what="the published patching" of={{ table: "published_patching", layer }} header={["feature", "term", "own", "other", "ratio"]} rows={() => rows} /></span>
      </div>
      <p class="small muted">Change of logits when the feature is taken away, at its own top genes and at all others on which it fires. A feature fires most on its top genes, so that these change most whatever it does; and a ratio is large where its denominator is near 0. The file names no layer: these features fire as often only in layer {layer}.</p>
      <StackedTable
        heads={[{ title: "Feature" }, { title: "Called" }, { title: "Own genes", numeric: true }, { title: "Others", numeric: true }, { title: "Ratio", numeric: true }]}
        rows={shown.map(([feature, term, own, other, ratio]) => [
          [<a class="num" href={`#${paths.feature(id, layer, feature)}`}>{layer}·{feature}</a>], [term === null ? "" : shortTerm(term), { title: term ?? "" }],
          [fixed(own, 3), origin("own")], [fixed(other, 4), origin("other")], [fixed(ratio, 1), origin("ratio")],
        ])}
      />
      {more}
    </section>
  );
}

/** Responses that nothing was tested for; the layer is inferred. */
export function AsPerturbed({ of: { layer, rows } }: { of: PublishedResponses }) {
  const { id } = useRun();
  const [shown, more] = useFew(rows, FEW, "published", MOST);
  const origin = (column: string) => from(`published_responses.${column}`, { layer, null: "none was published" });
  const csv = () => rows.flatMap(([target, factor, known, responding, specific, top]) => top.map(([feature, effect]) => [target, String(factor), known, responding, specific, feature, effect]));
  return (
    <section class="panel" aria-labelledby="as-perturbed" data-testid="as-perturbed">
      <div class="panel-head">
        <h2 id="as-perturbed">As published, {count(rows.length)} perturbed genes in layer {layer}</h2>
        <span><CsvButton name={["published", "responses", layer]} what="the published responses" of={{ table: "published_responses", layer }} header={["target", "factor", "n_known", "responding", "specific", "feature", "effect"]} rows={csv} /></span>
      </div>
      <p class="small muted">A feature was said to respond where the mean over the positions of 20 perturbed cells differs from that of the control by half a standard deviation of positions. Features that fire at a handful of millions of positions have hardly any spread, so that a single firing makes a large effect: look at how often a feature fires before believing its number. The file names no layer: only in layer {layer} are just these features without a label.</p>
      <StackedTable
        heads={[
          { title: "Perturbed" }, { title: "Known targets", numeric: true, help: "its targets in TRRUST" }, { title: "Responding", numeric: true, help: "features with an effect above 0.5 among the 20 largest" },
          { title: "Specific", numeric: true, help: "those with the gene or a known target among their top genes" }, { title: "Largest effects, in standard deviations" },
        ]}
        rows={shown.map(([target, , known, responding, specific, top]) => [
          [target], [count(known), origin("n_known")], [count(responding), origin("responding")], [count(specific), origin("specific")],
          [top.slice(0, LARGEST).map(([feature, effect]) => <span key={feature} class="spaced"><a class="num" href={`#${paths.feature(id, layer, feature)}`}>{layer}·{feature}</a> <span class="num" {...origin("effect")}>{fixed(effect, 1)}</span> </span>)],
        ])}
      />
      {more}
    </section>
  );
}
