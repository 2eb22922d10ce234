// What the traces of a graph say together: edges, signs, replication, depth, meaning, directions, and how far estimates agree.
import { isExact, type Graph, type TraceEntry } from "../lib/circuits";
import { count, fixed, MISSING, number, percent, plural, probability, share } from "../lib/format";
import { from, ofTrace } from "../lib/source";
import { between, ofAll, Question, RateTable, spread, type Rates } from "./question";
import { From } from "./source";
import type { StackedCell } from "./stacked-table";

const RULES: Record<string, string> = { calibrated: "calibrated", "calibrated:half": "calibrated, half of the cells", published: "published, before its cut at 50" };

/** "1–3" where no layer between is left out. */
const layersOf = (layers: number[]) => (layers.length > 1 && layers.at(-1)! - layers[0]! === layers.length - 1 ? `${layers[0]}–${layers.at(-1)}` : layers.join(", "));

/** Number formats of the traces, each with its layers. */
function formats(traces: TraceEntry[]): string {
  const layers = new Map<string, number[]>();
  for (const { dtype, off_by, source } of traces) {
    if (dtype) {
      const text = `${dtype}${off_by === null ? "" : `, which puts effects off by ${share(off_by)}`}`;
      layers.set(text, [...(layers.get(text) ?? []), source]);
    }
  }
  return [...layers].map(([text, own]) => `Computed in ${text}${layers.size > 1 ? ` (layer ${own.join(", ")})` : ""}.`).join(" ");
}

/** The traces behind the edges, with what chance would give. */
export function Counts({ graph: { traces } }: { graph: Graph }) {
  const rows = traces.flatMap((trace) => Object.keys(RULES).flatMap((rule): StackedCell[][] => {
    const row = trace.fdr.find((other) => other.rule === rule);
    if (!row) return [];
    const within = ofTrace(trace.name);
    const about = (column: string) => from(`fdr.${column}`, { within, n: `${count(row.edges)} edges`, null: `signs of cells flipped ${count(row.n_permutations)} times: ${number(row.null_mean)} edges on average` });
    return [[
      [<>{between(trace, layersOf(trace.targets))}{RULES[rule]} {trace.n_targets !== null && <span class="muted">{count(trace.n_targets)} features read</span>}</>],
      [count(trace.n_sources), from("sources.source", { within })], [rule.endsWith("half") ? `half of ${trace.n_cells}` : count(trace.n_cells), from("sources.n_cells", { within })],
      [count(row.edges), { ...about("edges"), class: "num strong" }],
      [spread(number, row.null_mean, row.null_low, row.null_high, row.n_permutations), about("null_mean")],
      [spread(share, row.fdr, row.fdr_low, row.fdr_high, row.n_permutations), about("fdr")],
    ]];
  }));
  const edges = traces.reduce((sum, trace) => sum + trace.n_edges, 0);
  return (
    <>
      <p><From of="edges." how={`edges of ${plural(traces.length, "trace")} together, each in its own folder`}>{count(edges)}</From> edges <span class="muted">are effects with q &lt; 0.05, |g| above 0.5 and agreement above 0.7 in ten cells or more.</span></p>
      <Question
        top id="traces" heading="How many edges, and how many would chance give?" table="fdr" {...{ traces, rows }} records={ofAll(traces, ({ fdr }) => fdr)}
        says={`Beside the edges those that come of flipping the signs of all effects of a cell at random. ${formats(traces)}`}
        heads={[
          { title: "Rule" }, { title: "Features", numeric: true }, { title: "Cells", numeric: true }, { title: "Edges", numeric: true },
          { title: "Flipped signs, 5 to 95 %", numeric: true, help: "mean number of edges over flips" }, { title: "False discoveries", numeric: true, help: "edges under flipped signs of cells over edges" },
        ]}
      />
      {traces.map(({ source, name, others }) => others.length > 0 && (
        <p class="small muted">Of the {others.length + 1} traces of layer {source} that of most edited features is shown, <code>{name}</code>; not shown: {others.map((other, i) => <>{i > 0 && ", "}<code>{other}</code></>)}.</p>
      ))}
    </>
  );
}

/** How far estimates are right, where some sources were ablated as well. */
export function Agreement({ graph }: { graph: Graph }) {
  if (isExact(graph)) return null;
  const { traces, method } = graph;
  const rows = traces.flatMap((trace) => trace.agreement.map((row): StackedCell[] => {
    const about = (column: string) => from(`agreement.${column}`, { within: ofTrace(trace.name), n: `${plural(row.sources, "source")} that were ablated as well, ${plural(row.pairs, "pair")}` });
    return [
      [between(trace, row.target_layer).slice(0, -2)], [count(row.sources), about("sources")], [fixed(row.spearman), { ...about("spearman"), class: "num strong" }], [count(row.edges), about("edges")],
      [count(row.estimated_edges), about("estimated_edges")], [percent(row.same_sign, 0), about("same_sign")], [percent(row.recall, 0), about("recall")], [percent(row.precision, 0), about("precision")],
    ];
  }));
  return (
    <>
      <p class="flag">These edges are estimates by {method}: gradients guess what an edit would do, and nothing was edited. Good for choosing what to ablate, not for counting.{rows.length === 0 && " How far they agree with ablation was not measured."}</p>
      {rows.length > 0 && (
        <Question
          top id="agreement" heading="How far do the estimates agree with ablation?" table="agreement" {...{ traces, rows }} records={ofAll(traces, ({ agreement }) => agreement)}
          says="Sources drawn at random were ablated as well, in the same cells, and both calibrated alike as traces of these sources alone."
          heads={[
            { title: "Effects" }, { title: "Sources", numeric: true }, { title: "Rank correlation", numeric: true, help: "of mean effects, over pairs of source and target" }, { title: "Exact edges", numeric: true }, { title: "Estimated edges", numeric: true },
            { title: "Right sign", numeric: true, help: "exact edges whose estimate has their sign" }, { title: "Found of exact", numeric: true, help: "exact edges that are estimated edges of the same sign" }, { title: "Exact of estimated", numeric: true, help: "estimated edges that are exact edges of the same sign" },
          ]}
        />
      )}
    </>
  );
}

const DIRECTIONS: Record<string, string> = { random: "a random one", feature: "another feature's atom" };

function Directions({ traces }: { traces: TraceEntry[] }) {
  const rows = traces.flatMap((trace) => trace.controls.filter(({ control }) => control !== "none").map((row): StackedCell[] => {
    const own = trace.controls.find((other) => other.control === "none" && other.target_layer === row.target_layer);
    const about = (column: string) => from(`direction_controls.${column}`, { within: ofTrace(trace.name), n: plural(row.sources, "source"), null: "sign test over sources" });
    return [
      [`${between(trace, row.target_layer)}${DIRECTIONS[row.control] ?? row.control}${row.replicate ? ` (${row.replicate + 1})` : ""}`], [count(own?.edges), { ...about("edges"), class: "num strong" }],
      [count(row.edges), about("edges")], [`${count(row.more)} to ${count(row.fewer)}`, about("more")], [row.p === null ? MISSING : probability(row.p), about("p")],
    ];
  }));
  const heading = "Does the direction matter?";
  if (!rows.length) return <section class="panel" aria-labelledby="directions"><h3 id="directions">{heading}</h3><p class="empty">Not tried: <code>cellprism trace RUN --source {traces[0]!.source} --controls 1</code> makes the same edits along other directions.</p></section>;
  return (
    <Question
      id="directions" table="direction_controls" {...{ heading, traces, rows }} records={ofAll(traces, ({ controls }) => controls)}
      says="The same edits with the same length at the same positions, along another direction. As many edges there mean that their number says how hard and how often a feature is pushed."
      heads={[
        { title: "Direction" }, { title: "Edges of its own", numeric: true, help: "along the source's own atom" }, { title: "Edges there", numeric: true },
        { title: "More to fewer", numeric: true, help: "sources with more edges along their own atom, and with fewer" }, { title: "p", numeric: true, help: "two-sided sign test over sources" },
      ]}
    />
  );
}

const QUESTIONS: [id: string, heading: string, says: string, rates: Rates][] = [
  ["signs", "Do features support or oppose?", "Share of edges whose source supports the target. The published rule counts cells without an effect as negative, so that flipped signs lean as well.", { supports: ["edges that support", percent] }],
  ["again", "Are they there in other cells?", "Effects that pass the thresholds in one half of the cells, looked for in the other half. Null: signs of cells flipped.", { found_again: ["found again", percent], size_kept: ["size that is kept", fixed] }],
  ["depth", "Do effects fade with depth?", "Live tests that are edges, by the layer that was read (null: flipped signs), and their rank correlation with that layer within a source: below 0, edges get rarer (null: layers permuted).", { rate_by_depth: ["rank correlation with depth", fixed], edge_rate: ["tests that are edges", share] }],
  ["alike", "Do edges join features of like meaning?", "Edges between annotated features whose ends share a gene set, or the targets of a transcription factor. Null: features trade all of theirs with others that have about as many.", { edges_sharing_a_term: ["share a gene set", percent], edges_sharing_a_factor: ["share a factor's targets", percent] }],
];

/** Everything that is asked of the edges of all traces together. */
export function Together({ graph: { traces } }: { graph: Graph }) {
  const held = traces.filter(({ n_edges }) => n_edges).map(({ source, n_edges, n_replicated }) => `${percent(n_replicated / n_edges)} of layer ${source}`);
  return (
    <section aria-labelledby="together">
      <h2 id="together">What the edges say together</h2>
      <div class="cards questions">
        {QUESTIONS.map(([id, heading, says, rates]) => <RateTable key={id} {...{ id, heading, traces, rates }} table={id === "signs" || id === "again" ? "trace_rates" : undefined} says={id === "again" && held.length ? `${says} Edges with the same sign and |g| above 0.5 in each half: ${held.join(", ")}.` : says} />)}
        <Directions traces={traces} />
      </div>
    </section>
  );
}
