// Edges of one side of a feature, with their size as bars.
import type { Edge, Way } from "../lib/circuits";
import { count, fixed, number, percent, probability, shortTerm } from "../lib/format";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { VirtualTable, type Column } from "./virtual-table";

interface Props {
  edges: Edge[];
  way: Way;
  words: Words;
  /** address of the other feature */
  href: (edge: Edge) => string;
}

const nameOf = ({ terms }: Words, term: number | null) => (term === null ? null : shortTerm(terms.term[term] ?? ""));

export function Strength({ edge, top }: { edge: Edge; top: number }) {
  return <span class={edge.supports ? "bar edge-bar" : "bar edge-bar opposing"} aria-hidden="true"><i style={{ width: `${(100 * Math.abs(edge.g)) / top}%` }} /></span>;
}

export function EdgeList({ edges, way, words, href }: Props) {
  const top = Math.max(...edges.map(({ g }) => Math.abs(g)), 0.5);
  const at = (i: number) => edges[i]!;
  const columns: Column[] = [
    { key: "feature", title: "Feature", width: "4.5rem", phone: "4.25rem", cell: (i) => <a class="num" href={href(at(i))}>{at(i).layer}·{at(i).feature}</a> },
    { key: "label", title: "Label", width: "minmax(5rem, 1fr)", phone: "minmax(0, 1fr)", cell: (i) => nameOf(words, at(i).term) ?? <span class="muted">not annotated</span> },
    { key: "bar", title: "", width: "minmax(3rem, 0.5fr)", cell: (i) => <Strength edge={at(i)} top={top} /> },
    { key: "g", title: "g", width: "3.25rem", phone: "3.25rem", numeric: true, help: "Hedges' g of the effect over cells; negative: the ablation lowers the target, so the source supports it", cell: (i) => fixed(at(i).g) },
    { key: "sign", title: "Sign", width: "4.75rem", phone: "4.5rem", cell: (i) => (at(i).supports ? "supports" : "opposes") },
    { key: "agreement", title: "Agree", width: "4rem", numeric: true, help: "share of cells with an effect that have the sign of the mean", cell: (i) => percent(at(i).agreement, 0) },
    { key: "cells", title: "Cells", width: "3.5rem", numeric: true, extra: true, help: "cells in which the source fires", cell: (i) => count(at(i).n_cells) },
    { key: "effect", title: "Effect", width: "5rem", numeric: true, extra: true, help: "mean change of the target's activation", cell: (i) => number(at(i).effect) },
    { key: "q", title: "q", width: "5.25rem", numeric: true, help: "false discovery rate over all live tests of the trace", cell: (i) => probability(at(i).q) },
  ];
  return <VirtualTable label={way === "out" ? "Features that it changes" : "Features that change it"} columns={columns} rows={edges.map((_, i) => i)} empty="No edge within these limits." />;
}

/** The strongest few, for a feature's page. */
export function FewEdges({ title, edges, words }: { title: string; edges: Edge[]; words: Words }) {
  const { id } = useRun();
  const top = Math.max(...edges.map(({ g }) => Math.abs(g)), 0.5);
  return (
    <div>
      <h3>{title} <span class="muted num">{count(edges.length)}</span></h3>
      {edges.length === 0 && <p class="empty">None.</p>}
      <ol class="few-edges">
        {edges.slice(0, 6).map((edge) => (
          <li>
            <a href={`#${paths.feature(id, edge.layer, edge.feature)}`}><span class="num">{edge.layer}·{edge.feature}</span> <span class="quiet">{nameOf(words, edge.term) ?? "not annotated"}</span></a>
            <Strength edge={edge} top={top} />
            <span class="num small">{fixed(edge.g)}</span>
            <span class="small muted">{edge.supports ? "supports" : "opposes"}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
