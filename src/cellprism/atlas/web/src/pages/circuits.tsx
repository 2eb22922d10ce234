// Which features change which: the edges around a feature, paths from one to another, and how sure the edges are.
import { useMemo, useState } from "preact/hooks";
import { EdgeList } from "../components/edge-list";
import { Ego, type EgoNode } from "../components/ego";
import { LimitControls } from "../components/limits";
import { From } from "../components/source";
import { CsvButton, PythonCell, SvgButton } from "../components/take";
import { Sideways } from "../components/sideways";
import { StackedTable } from "../components/stacked-table";
import { loadFeature, loadFeatureGenes } from "../data/store";
import type { Feature, GeneNames, Rate } from "../data/types";
import { limitsOf, loadEdges, loadGraphs, noCircuits, paths as pathsBetween, placeOf, TRIED, within, type Edge, type FdrRow, type Graph, type Hub, type Path, type Place, type Way } from "../lib/circuits";
import { count, fixed, MISSING, number, percent, plural, share, shortTerm, title } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { circuitCode } from "../lib/python";
import { open, paths, useQuery } from "../lib/route";
import { useRun, useTitle, useWords, type Words } from "../lib/run";
import { from, ofTrace } from "../lib/source";

const MOST = 22;

interface Around {
  feature: Feature;
  genes: GeneNames;
  out: Edge[];
  into: Edge[];
}

const termName = ({ terms }: Words, term: number | null | undefined) => (term === null || term === undefined ? null : shortTerm(terms.term[term] ?? ""));

function nameOf({ feature, genes }: Pick<Around, "feature" | "genes">, words: Words): string {
  const label = termName(words, feature.label?.term);
  return label ?? (feature.genes.slice(0, 3).map(([gene]) => genes.symbol[gene]).join(", ") || "not annotated");
}

/** The share of edges that sign flips give; where no flip gave any, that and not a share of nothing. */
function byFlips(row: FdrRow | undefined) {
  if (!row) return MISSING;
  if (row.null_mean === 0) return `none in ${plural(row.n_permutations, "flip")}`;
  return <>{share(row.fdr)} <span class="muted">{share(row.fdr_low)} to {share(row.fdr_high)}</span></>;
}

/** What the null of a rate gives; of a null without edges there is no rate. */
const besideNull = (rate: Rate | undefined, show: (x: number) => string) =>
  rate && <span class="muted">{rate.null_mean === null ? "no edge in the null" : `null ${show(rate.null_mean)}`}</span>;

/** The traces behind the edges, with what chance would give. */
function Traces({ graph }: { graph: Graph }) {
  const rows = graph.traces.map((trace) => {
    const calibrated = trace.fdr.find(({ rule }) => rule === "calibrated");
    const rate = (name: string) => trace.rates.find((rate) => rate.rate === name && rate.target_layer === -1 && rate.protocol === "calibrated");
    return { trace, calibrated, supports: rate("supports"), again: rate("found_again") };
  });
  return (
    <Sideways label="Traces">
      <StackedTable
        heads={[
          { title: "Edited layer" }, { title: "Read in layers" }, { title: "Features edited", numeric: true }, { title: "Cells", numeric: true }, { title: "Edges", numeric: true },
          { title: "False by sign flips", numeric: true, help: "edges under flipped signs of cells over edges" },
          { title: "Support", numeric: true, help: "share of edges whose source supports the target; beside it the null" },
          { title: "Found again", numeric: true, help: "effects of one half of the cells that the other half has too" },
        ]}
        rows={rows.map(({ trace, calibrated, supports, again }) => {
          const within = ofTrace(trace.name);
          const rate = (name: string, of: typeof supports) => from("trace_rates.value", { within, name, n: of ? plural(of.n ?? 0, of.unit) : "", null: of?.null });
          return [
            [<><span class="phone-only">Edited layer </span>{trace.source}</>], [trace.targets.join(", ")], [count(trace.n_sources), from("sources.source", { within })], [count(trace.n_cells), from("sources.n_cells", { within })],
            [count(trace.n_edges), { ...from("edges.", { within, n: `${count(trace.n_sources)} features edited in ${count(trace.n_cells)} cells` }), class: "num strong" }],
            [byFlips(calibrated), from("fdr.fdr", { within, n: calibrated ? `${count(calibrated.edges)} edges` : "", null: calibrated ? `signs of cells flipped ${count(calibrated.n_permutations)} times: ${number(calibrated.null_mean)} edges on average` : "" })],
            [<>{percent(supports?.value)} {besideNull(supports, percent)}</>, rate("supports", supports)], [<>{percent(again?.value)} {besideNull(again, share)}</>, rate("found_again", again)],
          ];
        })}
      />
    </Sideways>
  );
}

function Hubs({ graph, words, query }: { graph: Graph; words: Words; query: Record<string, string> }) {
  const { id } = useRun();
  const edges = (layer: number, way: Way) => from("edges.", { within: way === "out" ? ofTrace(graph.traces.find(({ source }) => source === layer)?.name ?? "") : "" });
  const list = (heading: string, hubs: Hub[], way: Way) => {
    const top = Math.max(...hubs.map((hub) => hub[2]), 1);
    const known = hubs.some((hub) => hub[3] !== null);
    return (
      <div class="panel">
        <h3>{heading}</h3>
        <table class="bars named" role="table">
          <thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Feature</th><th scope="col" role="columnheader" class="wide"><span class="sr">As a bar</span></th><th scope="col" role="columnheader" class="num">Edges</th>{known && <th scope="col" role="columnheader" class="num" title="expected from how often and in how many cells the feature fires">Expected</th>}</tr></thead>
          <tbody role="rowgroup">
            {hubs.slice(0, 8).map(([layer, feature, n, expected, term]) => (
              <tr role="row">
                <th scope="row" role="rowheader"><a href={`#${paths.circuits(id, { ...query, feature: `${layer}.${feature}`, to: "" })}`}><span class="num">{layer}·{feature}</span> {termName(words, term) ?? <span class="muted">not annotated</span>}</a></th>
                <td role="cell" class="wide"><span class="bar" aria-hidden="true"><i style={{ width: `${(100 * n) / top}%` }} />{expected !== null && <b style={{ left: `${Math.min(100, (100 * expected) / top)}%` }} />}</span></td>
                <td role="cell" class="num" {...edges(layer, way)}>{count(n)}</td>{known && <td role="cell" class="num" {...from("degrees.expected")}>{count(expected)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  };
  return (
    <section aria-labelledby="hubs">
      <div class="section-head"><h2 id="hubs">Features with most edges</h2><p class="muted">a feature that fires often has more edges by that alone{[...graph.hubs.out, ...graph.hubs.in].some((hub) => hub[3] !== null) && "; tick: expected from its firing"}</p></div>
      <div class="halves">{list("They change most", graph.hubs.out, "out")}{list("Changed by most", graph.hubs.in, "in")}</div>
    </section>
  );
}

function PathList({ graph, number: g, place, around, words, passes }: { graph: Graph; number: number; place: Place; around: Around; words: Words; passes: (edge: Edge) => boolean }) {
  const { id } = useRun();
  const [query, change] = useQuery();
  const [text, setText] = useState((query["to"] ?? "").replace(".", "·"));
  const target = placeOf(query["to"]);
  const found = useLoad(`paths ${id} ${g} ${place.join(".")} ${query["to"] ?? ""} ${query["q"] ?? ""} ${query["g"] ?? ""} ${query["agreement"] ?? ""} ${query["sign"] ?? ""} ${query["replicated"] ?? ""}`, async (): Promise<Path[] | null> => {
    if (!target) return null;
    const into = await loadEdges(id, g, graph, "in", target[0], target[1]);
    return pathsBetween(around.out, into, target, (at) => loadEdges(id, g, graph, "out", at[0], at[1]), passes);
  });
  const chip = (layer: number, feature: number, term: number | null) => <a class="chip" href={`#${paths.circuits(id, { ...query, feature: `${layer}.${feature}`, to: "" })}`} title={termName(words, term) ?? "not annotated"}><span class="num">{layer}·{feature}</span></a>;
  return (
    <section class="panel" aria-labelledby="paths">
      <h2 id="paths">Paths to another feature</h2>
      <form class="chips" onSubmit={(event) => { event.preventDefault(); const at = placeOf(text); change({ to: at ? at.join(".") : "" }); }}>
        <span>From {place[0]}·{place[1]} to</span>
        <input class="field place" aria-label="Layer and feature, such as 3.17" placeholder="layer.feature" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <button type="submit" class="button">Find paths</button>
        {text && !placeOf(text) && <span class="muted">a layer, a dot and a feature, such as 3.17</span>}
      </form>
      <Load of={found}>
        {(list) => list && (
          list.length
            ? (
              <>
                <p class="table-note"><b class="num" {...from("edges.", { how: "paths along edges of these limits" })}>{plural(list.length, "path")}</b> of at most three edges within the limits above, least resistance (sum of 1 / |g|) first</p>
                <ol class="chains" data-testid="paths">
                  {list.slice(0, 12).map((path) => (
                    <li>
                      <p class="chain">
                        {chip(place[0], place[1], around.feature.label?.term ?? null)}
                        {path.nodes.map(({ layer, feature, term }, i) => <><span class={path.edges[i]!.supports ? "link small num" : "link opposing small num"} title={path.edges[i]!.supports ? "supports" : "opposes"} {...from("edges.g", { within: ofTrace(graph.traces.find(({ source }) => source === (path.nodes[i - 1]?.layer ?? place[0]))?.name ?? "") })}>{path.edges[i]!.supports ? "+" : "−"}{Math.abs(path.edges[i]!.g).toFixed(2)}</span>{chip(layer, feature, term)}</>)}
                        <span class="small muted">together {path.edges.filter(({ supports }) => !supports).length % 2 ? "opposes" : "supports"}; resistance {fixed(path.resistance)}</span>
                      </p>
                    </li>
                  ))}
                </ol>
              </>
            )
            : <p class="empty table-note">No path of at most three edges leads there within these limits.</p>
        )}
      </Load>
      <p class="small muted table-note">
        An edge is an effect through everything between its ends. A path is a way that an effect could take, not one that is shown to be taken: that needs an edit of the feature in the middle.
        Paths of three edges are looked for through the {TRIED} strongest features that {place[0]}·{place[1]} changes.
      </p>
    </section>
  );
}

function Explore({ graph, number: g, place, words }: { graph: Graph; number: number; place: Place; words: Words }) {
  const { id, summary } = useRun();
  const [query, change] = useQuery();
  const [layer, feature] = place;
  const limits = limitsOf(query);
  const passes = within(limits);
  const data = useLoad(`around ${id} ${g} ${layer} ${feature}`, async (): Promise<Around> => {
    const [found, genes, out, into] = await Promise.all([
      loadFeature(id, layer, feature), loadFeatureGenes(id, layer, feature), loadEdges(id, g, graph, "out", layer, feature), loadEdges(id, g, graph, "in", layer, feature),
    ]);
    return { feature: found, genes, out, into };
  });
  const key = JSON.stringify(limits);
  const [out, into] = useMemo(() => [data.value?.out.filter(passes) ?? [], data.value?.into.filter(passes) ?? []], [data.value, key]);
  const href = (edge: Edge) => `#${paths.circuits(id, { ...query, feature: `${edge.layer}.${edge.feature}`, to: "" })}`;
  const nodes = (edges: Edge[]): EgoNode[] => edges.slice(0, MOST).map((edge) => ({ edge, href: href(edge), name: termName(words, edge.term) ?? `${edge.layer}·${edge.feature}` }));
  const rows = (edges: Edge[], way: Way) => edges.map((edge) => [
    ...(way === "out" ? [layer, feature, edge.layer, edge.feature] : [edge.layer, edge.feature, layer, feature]),
    edge.effect, edge.g, edge.agreement, edge.n_cells, edge.q.toPrecision(3), edge.supports ? "supports" : "opposes", String(edge.replicated), words.terms.term[edge.term ?? -1],
  ]);
  const header = ["source_layer", "source", "target_layer", "target", "effect", "g", "agreement", "n_cells", "q", "sign", "replicated", "label_of_the_other"];
  const trace = graph.traces.find(({ source }) => source === layer);
  // The edges in may come from several traces, of which each has its own table.
  const own = (way: Way) => (way === "out" && trace ? { of: { table: "edges", within: ofTrace(trace.name) } } : {});
  const traced = (way: Way, all: Edge[]) => all.length > 0 || graph.sides[way].includes(layer);
  const side = (way: Way, all: Edge[], edges: Edge[], heading: string) => (
    <section class="panel table-panel edges-panel" aria-label={heading} data-testid={`edges-${way}`}>
      <p class="table-title">
        <span><b>{heading}</b> <span class="muted num" {...from("edges.")}>{count(edges.length)} of {count(all.length)}</span></span>
        <span class="push"><CsvButton name={["edges", layer, feature, way]} what={way === "out" ? "the edges out" : "the edges in"} {...own(way)} header={header} rows={() => rows(edges, way)} /></span>
      </p>
      <EdgeList edges={edges} way={way} words={words} href={href} layer={layer} traces={graph.traces} />
    </section>
  );
  return (
    <Load of={data}>
      {(around) => {
        const name = nameOf(around, words);
        const caption = `Edges of feature ${feature} of layer ${layer} (${name}): the ${count(Math.min(MOST, into.length))} strongest of ${count(into.length)} that change it and the ${count(Math.min(MOST, out.length))} strongest of ${count(out.length)} that it changes; ${graph.method}, q at most ${limits.q}, |g| at least ${limits.g}. Solid: supports, dashed: opposes; width: |g|.`;
        return (
          <>
            <div class="section-head">
              <h2><a href={`#${paths.feature(id, layer, feature)}`}>{layer}·{feature} {name}</a></h2>
              <p class="muted">changed by {plural(around.into.length, "feature")}, changes {plural(around.out.length, "feature")}</p>
            </div>
            <LimitControls limits={limits} traces={graph.traces.filter(({ source, targets }) => source === layer || targets.includes(layer))} shown={out.length + into.length} all={around.out.length + around.into.length} change={change} />
            <figure class="panel" data-testid="ego">
              <figcaption class="with-take">
                <p class="chart-key"><span><i class="key-line" /> supports</span><span><i class="key-line opposing" /> opposes</span><span class="muted">width: |g|; the {MOST} strongest of each side</span></p>
                <SvgButton name={["circuit", layer, feature]} what="the circuit" caption={caption} />
              </figcaption>
              <Sideways label="Circuit"><div class="ego-frame"><Ego centre={place} name={name} before={nodes(into)} after={nodes(out)} label={caption} /></div></Sideways>
            </figure>
            {!traced("in", around.into) && <p class="note">No trace edits a layer before layer {layer} and reads it, so what changes this feature is not known.</p>}
            {!traced("out", around.out) && <p class="note">The features of layer {layer} were not edited in these traces, so what this one changes is not known.</p>}
            <div class={traced("in", around.into) && traced("out", around.out) ? "halves" : "whole"}>
              {traced("in", around.into) && side("in", around.into, into, "What changes it")}
              {traced("out", around.out) && side("out", around.out, out, "What it changes")}
            </div>
            <PathList {...{ graph, number: g, place, around, words, passes }} />
            <PythonCell code={circuitCode(summary, graph.traces, place, limits)} />
          </>
        );
      }}
    </Load>
  );
}

function Choose({ graph, place }: { graph: Graph; place: Place }) {
  const { id, summary } = useRun();
  const [query] = useQuery();
  const layers = summary.layers.map(({ layer }) => layer).filter((layer) => graph.sides.out.includes(layer) || graph.sides.in.includes(layer));
  const go = (layer: number, feature: number) => open(paths.circuits(id, { ...query, feature: `${layer}.${feature}`, to: "" }));
  const [number, setNumber] = useState(String(place[1]));
  const [seen, setSeen] = useState(place[1]);
  if (seen !== place[1]) {
    setSeen(place[1]);
    setNumber(String(place[1]));
  }
  const most = (summary.layers.find(({ layer }) => layer === place[0])?.n_features ?? 1) - 1;
  return (
    <form class="toolbar" onSubmit={(event) => { event.preventDefault(); if (/^\d+$/.test(number)) go(place[0], Math.min(most, Number(number))); }}>
      <label class="inline">Layer <select value={place[0]} onChange={(event) => go(Number(event.currentTarget.value), place[1])}>{layers.map((layer) => <option value={layer}>{layer}</option>)}</select></label>
      <label class="inline">Feature <input class="field place" inputMode="numeric" value={number} aria-label={`Feature, 0 to ${most}`} onInput={(event) => setNumber(event.currentTarget.value)} /></label>
      <button type="submit" class="button">Show its circuit</button>
    </form>
  );
}

function Body({ graphs, words }: { graphs: Graph[]; words: Words }) {
  const { summary } = useRun();
  const [query, change] = useQuery();
  const number_ = Math.min(graphs.length - 1, Math.max(0, Number(query["method"] ?? 0) || 0));
  const graph = graphs[number_];
  const hub = graph?.hubs.out[0] ?? graph?.hubs.in[0];
  const asked = placeOf(query["feature"]);
  const about = asked && summary.layers.find(({ layer }) => layer === asked[0]);
  const place: Place | null = asked && about && asked[1] < about.n_features ? asked : hub ? [hub[0], hub[1]] : null;
  if (!graph) return <p class="note">{noCircuits(summary)}</p>;
  const edges = graph.traces.reduce((sum, trace) => sum + trace.n_edges, 0);
  return (
    <>
      {graphs.length > 1 && (
        <label class="inline">Method
          <select value={number_} onChange={(event) => change({ method: event.currentTarget.value, feature: "" })}>{graphs.map(({ method, alpha }, i) => <option value={i}>{title(method)}{alpha ? `, activation times ${number(alpha)}` : ""}</option>)}</select>
        </label>
      )}
      <section class="panel" aria-labelledby="traces">
        <div class="section-head"><h2 id="traces"><From of="edges." how={`edges of ${plural(graph.traces.length, "trace")} together, each in its own folder`}>{count(edges)}</From> edges</h2><p class="muted">effects with q &lt; 0.05, |g| above 0.5 and agreement above 0.7 in ten cells or more; {graph.method}{graph.alpha ? `, activation times ${number(graph.alpha)}` : ""}</p></div>
        <Traces graph={graph} />
      </section>
      {place && <Choose graph={graph} place={place} />}
      {place ? <Explore key={number_} graph={graph} number={number_} place={place} words={words} /> : <p class="note">No effect passes the thresholds.</p>}
      <Hubs graph={graph} words={words} query={query} />
    </>
  );
}

export default function CircuitsPage() {
  const { id } = useRun();
  useTitle("Circuits");
  const words = useWords();
  const graphs = useLoad(`circuits ${id}`, () => loadGraphs(id));
  return (
    <>
      <header class="page-head">
        <h1>Circuits</h1>
        <p class="lede">Which features change which: a feature is taken away in many cells, and what follows in later layers is tested cell by cell. It supports a feature that falls without it and opposes one that rises.</p>
      </header>
      <Load of={words}>{(words) => <Load of={graphs}>{(graphs) => <Body graphs={graphs} words={words} />}</Load>}</Load>
    </>
  );
}
