// Edges of one side of a feature, with their size as bars.
import type { Edge, TraceEntry, Way } from "../lib/circuits";
import { count, fixed, number, percent, plural, probability, shortTerm } from "../lib/format";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from, ofTrace } from "../lib/source";
import { UNDER, VirtualTable, type Column } from "./virtual-table";

interface Props {
  edges: Edge[];
  way: Way;
  words: Words;
  /** layer of the feature that the edges belong to */
  layer: number;
  traces: TraceEntry[];
  /** address of the other feature */
  href: (edge: Edge) => string;
}

/** Attributes of a number of an edge, which is in the trace of the layer that the edge comes from. */
const ofEdge = (traces: TraceEntry[], layer: number, way: Way) => (column: string, edge: Edge) => from(`edges.${column}`, {
  within: ofTrace(traces.find(({ source }) => source === (way === "out" ? layer : edge.layer))?.name ?? ""), n: plural(edge.n_cells, "cell"),
  null: "signs of cells flipped",
});

const nameOf = ({ terms }: Words, term: number | null) => (term === null ? null : shortTerm(terms.term[term] ?? ""));

export function Strength({ edge, top }: { edge: Edge; top: number }) {
  return <span class={edge.supports ? "bar edge-bar" : "bar edge-bar opposing"} aria-hidden="true"><i style={{ width: `${(100 * Math.abs(edge.g)) / top}%` }} /></span>;
}

export function EdgeList({ edges, way, words, href, layer, traces }: Props) {
  const source = ofEdge(traces, layer, way);
  const top = Math.max(...edges.map(({ g }) => Math.abs(g)), 0.5);
  const at = (i: number) => edges[i]!;
  const columns: Column[] = [
    { key: "feature", title: "Feature", width: "4.5rem", phone: "minmax(3rem, 1fr)", cell: (i) => <a class="num" href={href(at(i))}>{at(i).layer}·{at(i).feature}</a> },
    { key: "label", title: "Label", width: "minmax(5rem, 1fr)", phone: UNDER, cell: (i) => nameOf(words, at(i).term) ?? <span class="muted">not annotated</span> },
    { key: "bar", title: "", width: "minmax(3rem, 0.5fr)", cell: (i) => <Strength edge={at(i)} top={top} /> },
    { key: "g", title: "g", width: "3.25rem", phone: "3.25rem", numeric: true, help: "Hedges' g of the effect over cells", cell: (i) => <span {...source("g", at(i))}>{fixed(at(i).g)}</span> },
    { key: "sign", title: "Sign", width: "4.75rem", phone: "4.25rem", extra: true, cell: (i) => (at(i).supports ? "supports" : "opposes") },
    { key: "agreement", title: "Agree", width: "4rem", numeric: true, extra: true, help: "share of cells with an effect that have the sign of the mean", cell: (i) => <span {...source("agreement", at(i))}>{percent(at(i).agreement, 0)}</span> },
    { key: "cells", title: "Cells", width: "3.5rem", numeric: true, extra: true, help: "cells in which the source fires", cell: (i) => <span {...source("n_cells", at(i))}>{count(at(i).n_cells)}</span> },
    { key: "effect", title: "Effect", width: "5rem", numeric: true, extra: true, help: "mean change of the target's activation", cell: (i) => <span {...source("effect", at(i))}>{number(at(i).effect)}</span> },
    { key: "q", title: "q", width: "5.25rem", phone: "5rem", numeric: true, help: "false discovery rate over all live tests of the trace", cell: (i) => <span {...source("q", at(i))}>{probability(at(i).q)}</span> },
  ];
  return <VirtualTable label={way === "out" ? "Features that it changes" : "Features that change it"} columns={columns} rows={edges.map((_, i) => i)} empty="No edge within these limits." />;
}

/** The strongest few, for a feature's page. */
export function FewEdges({ title, edges, words, way, layer, traces }: { title: string } & Omit<Props, "href">) {
  const { id } = useRun();
  const source = ofEdge(traces, layer, way);
  const top = Math.max(...edges.map(({ g }) => Math.abs(g)), 0.5);
  return (
    <div>
      <h3>{title} <span class="muted num" {...from("edges.")}>{count(edges.length)}</span></h3>
      {edges.length === 0 && <p class="empty">None.</p>}
      <ol class="few-edges">
        {edges.slice(0, 6).map((edge) => (
          <li>
            <a href={`#${paths.feature(id, edge.layer, edge.feature)}`}><span class="num">{edge.layer}·{edge.feature}</span> <span class="quiet">{nameOf(words, edge.term) ?? "not annotated"}</span></a>
            <Strength edge={edge} top={top} />
            <span class="num small" {...source("g", edge)}>{fixed(edge.g)}</span>
            <span class="small muted">{edge.supports ? "supports" : "opposes"}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
