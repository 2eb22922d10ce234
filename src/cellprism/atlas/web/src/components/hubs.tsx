// Features with more edges than their firing explains: the surest, and all of a layer beside what is expected.
import { loadDegrees, type Graph, type Hub, type Way } from "../lib/circuits";
import { count, fixed, percent, plural, probability, shortTerm } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { paths, useQuery } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from, ofTrace } from "../lib/source";
import { RateTable, type Rates } from "./question";
import { Scatter } from "./scatter";
import { StackedTable } from "./stacked-table";
import { CsvButton, SvgButton } from "./take";

const FEW = 8;
const Q = 0.05;
const WAYS: Record<Way, [heading: string, words: string]> = { out: ["They change others", "edges out"], in: ["They are changed", "edges in"] };

/** The traces that the edges of a side of a layer are from. */
const tracesOf = ({ traces }: Graph, layer: number, way: Way) => traces.filter(({ source, targets }) => (way === "out" ? source === layer : targets.includes(layer)));

/** Where a number of a feature's degree is from; several traces are added up. */
function about(graph: Graph, layer: number, way: Way, column: string, n = "") {
  const [first, second] = tracesOf(graph, layer, way);
  return from(column, { n, ...(second ? { how: "summed over all traces that read the layer; q: the smallest times their number" } : { within: ofTrace(first?.name ?? "") }) });
}

function List({ graph, way, words, byEdges }: { graph: Graph; way: Way; words: Words; byEdges: boolean }) {
  const { id } = useRun();
  const [query] = useQuery();
  const known = graph.expected[way].length > 0;
  const order = (hub: Hub) => hub[5] ?? 2;
  const hubs = (byEdges || !known ? graph.hubs[way] : [...graph.hubs[way]].sort((a, b) => order(a) - order(b) || (b[4] ?? 0) - (a[4] ?? 0))).slice(0, FEW);
  return (
    <div class="panel">
      <h3>{WAYS[way][0]}</h3>
      <StackedTable
        kind="bars named hubs"
        heads={[
          { title: "Feature" }, { title: "Edges", numeric: true },
          ...(known ? [{ title: "Expected", numeric: true, help: "from how often and in how many cells the feature fires" }, { title: "Residual", numeric: true, help: "logarithm of 1 + edges over 1 + expected" }, { title: "q", numeric: true, help: "of so many more edges than expected, over the features of its layer" }] : []),
        ]}
        faint={(i) => known && (hubs[i]![5] ?? 1) >= Q}
        rows={hubs.map(([layer, feature, n, expected, residual, q, term]) => {
          const of = (column: string) => about(graph, layer, way, column, plural(n, "edge"));
          return [
            [<a href={`#${paths.circuits(id, { ...query, feature: `${layer}.${feature}`, to: "" })}`}><span class="num">{layer}·{feature}</span> {term === null ? <span class="muted">not annotated</span> : shortTerm(words.terms.term[term] ?? "")}</a>],
            [count(n), of("edges.")],
            ...(known ? [[expected !== null && expected < 10 ? fixed(expected, 1) : count(expected), of("degrees.expected")], [fixed(residual), of("degrees.residual")], [probability(q), { ...of("degrees.q"), class: (q ?? 1) < Q ? "num strong" : "num" }]] as [string, Record<string, string>][] : []),
          ];
        })}
      />
    </div>
  );
}

const RATES = (way: Way): Rates => ({
  [`${way}_degree_by_frequency`]: ["rank correlation of edges with frequency", fixed], [`${way}_degree_by_n_cells`]: ["rank correlation of edges with cells", fixed],
  [`${way}_top_by_residual`]: ["most edges that are also the largest residuals", percent], [`${way}_top_annotated`]: ["most edges that have a label", percent],
});

/** Degree beside the degree that firing explains, for all features of a layer. */
function Degrees({ graph, number: g }: { graph: Graph; number: number }) {
  const { id } = useRun();
  const [query, change] = useQuery();
  const choices = (["out", "in"] as Way[]).flatMap((way) => graph.expected[way].map((layer) => ({ way, layer, key: `${way}.${layer}` })));
  const { way, layer, key } = choices.find(({ key }) => key === query["degree"]) ?? choices[0]!;
  const traces = tracesOf(graph, layer, way).map((trace) => ({ ...trace, rates: trace.rates.filter(({ target_layer }) => target_layer === (way === "in" ? layer : -1)) }));
  const data = useLoad(`degrees ${id} ${g} ${key}`, async () => {
    const { feature, degree, expected, residual, q, frequency } = await loadDegrees(id, g, way, layer);
    return Array.from(feature!, (f, i) => ({ feature: f, degree: degree![i]!, expected: expected![i]!, residual: residual![i]!, q: q![i]!, frequency: frequency![i]! }));
  });
  const rows = data.value ?? [];
  const points = (sure: boolean) => rows.filter(({ q }) => q < Q === sure).map(({ expected, degree }): [number, number] => [1 + expected, 1 + degree]);
  const marked = points(true);
  const caption = `Edges of the features of layer ${layer} (${WAYS[way][1]}) against those expected from how often and in how many cells they fire, each and one more; on the line both are equal. Marked: ${plural(marked.length, "feature")} of ${count(rows.length)} with more at q < 0.05.`;
  return (
    <div class="two even">
      <section class="panel" aria-labelledby="degrees">
        <div class="panel-head">
          <h3 id="degrees">Which exceed what their firing explains?</h3>
          {rows.length > 0 && <span><SvgButton name={["degrees", way, layer]} what="the degrees" caption={caption} /> <CsvButton name={["degrees", way, layer]} what="the degrees" header={Object.keys(rows[0]!)} rows={() => rows.map((row) => Object.values(row))} /></span>}
          <label class="inline">Features <select value={key} onChange={(event) => change({ degree: event.currentTarget.value })}>{choices.map(({ way, layer, key }) => <option value={key}>of layer {layer}, {WAYS[way][1]}</option>)}</select></label>
        </div>
        <Load of={data}>
          {() => (
            <>
              <Scatter plain={points(false)} marked={marked} log label={caption} titles={["1 + edges expected from firing", "1 + edges"]} />
              <p class="small muted chart-key"><span><i class="key-dot" /> a feature</span><span><i class="key-dot marked-key" /> more than expected, q &lt; 0.05: <b class="num" {...about(graph, layer, way, "degrees.q")}>{count(marked.length)}</b> of {count(rows.length)}</span></p>
            </>
          )}
        </Load>
      </section>
      <RateTable traces={traces} rates={RATES(way)} id="firing" heading="How much of the degree is firing?" says="Null: degrees permuted between features, labels between features that fire as often." />
    </div>
  );
}

export function Hubs({ graph, number, words }: { graph: Graph; number: number; words: Words }) {
  const [query, change] = useQuery();
  const byEdges = query["hubs"] === "edges";
  const known = graph.expected.out.length + graph.expected.in.length > 0;
  const partly = graph.traces.some(({ n_targets }) => n_targets !== null);
  return (
    <section aria-labelledby="hubs">
      <div class="section-head">
        <h2 id="hubs">Do some features have more edges than their firing explains?</h2>
        <p class="muted">a feature that fires often has more edges by that alone{partly && "; only some features of later layers were read, of which nothing is expected"}</p>
        {known && <label class="inline">Order by <select value={byEdges ? "edges" : ""} onChange={(event) => change({ hubs: event.currentTarget.value })}><option value="">q of more than expected</option><option value="edges">edges</option></select></label>}
      </div>
      <div class="halves">{(["out", "in"] as Way[]).map((way) => <List key={way} {...{ graph, way, words, byEdges }} />)}</div>
      {known && <Degrees graph={graph} number={number} />}
    </section>
  );
}
