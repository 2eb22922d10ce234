// Which features change which: the edges around a feature, paths from one to another, and how sure the edges are.
import { useMemo, useState } from "preact/hooks";
import { EdgeList } from "../components/edge-list";
import { Ego, type EgoNode } from "../components/ego";
import { Hubs } from "../components/hubs";
import { LimitControls } from "../components/limits";
import { Sideways } from "../components/sideways";
import { CsvButton, PythonCell, SvgButton } from "../components/take";
import { Agreement, Counts, Together } from "../components/trace-tables";
import { loadFeature, loadFeatureGenes } from "../data/store";
import type { Feature, GeneNames } from "../data/types";
import { isExact, limitsOf, loadEdges, loadGraphs, noCircuits, paths as pathsBetween, placeOf, TRIED, within, type Edge, type Graph, type Path, type Place, type Way } from "../lib/circuits";
import { count, fixed, number, plural, shortTerm, title } from "../lib/format";
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
  return (
    <>
      <p class="lede">{lede(graph)}</p>
      {graphs.length > 1 && (
        <label class="inline">Method
          <select value={number_} onChange={(event) => change({ method: event.currentTarget.value, feature: "" })}>{graphs.map((one, i) => <option value={i}>{title(one.method)}{isExact(one) ? "" : " (estimates)"}{one.alpha ? `, activation times ${number(one.alpha)}` : ""}</option>)}</select>
        </label>
      )}
      <Agreement graph={graph} />
      <Counts graph={graph} />
      {place && <Choose graph={graph} place={place} />}
      {place ? <Explore key={number_} graph={graph} number={number_} place={place} words={words} /> : <p class="note">No effect passes the thresholds.</p>}
      <Hubs graph={graph} number={number_} words={words} />
      <Together graph={graph} />
    </>
  );
}

/** What was done to the features of a graph, and what an edge means. */
function lede(graph: Graph): string {
  const { alpha } = graph;
  const times = `its activation times ${number(alpha)}`;
  const sign = `It supports a feature that ${alpha > 1 ? "rises" : "falls"} then and opposes one that ${alpha > 1 ? "falls" : "rises"}.`;
  return isExact(graph)
    ? `Which features change which: a feature is ${alpha ? `kept at ${times}` : "taken away"} in many cells, and what follows in later layers is tested cell by cell. ${sign}`
    : `Which features may change which: gradients estimate, cell by cell, what would follow in later layers from a feature ${alpha ? `at ${times}` : "at zero"}. ${sign}`;
}

export default function CircuitsPage() {
  const { id } = useRun();
  useTitle("Circuits");
  const words = useWords();
  const graphs = useLoad(`circuits ${id}`, () => loadGraphs(id));
  return (
    <>
      <h1>Circuits</h1>
      <Load of={words}>{(words) => <Load of={graphs}>{(graphs) => <Body graphs={graphs} words={words} />}</Load>}</Load>
    </>
  );
}
