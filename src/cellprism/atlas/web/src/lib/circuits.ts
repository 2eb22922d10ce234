// Edges between features: where those of a feature lie in the files, which of them are shown, and paths along them.
import { readColumns } from "../data/columns";
import { json, once, two } from "../data/store";
import type { Rate, Summary } from "../data/types";
import type { Query } from "./route";
import { absence } from "./run";

export interface FdrRow {
  rule: string;
  g: number;
  agreement: number;
  edges: number;
  null_mean: number;
  null_low: number;
  null_high: number;
  fdr: number | null;
  fdr_low: number | null;
  fdr_high: number | null;
  n_permutations: number;
}

type Maybe = number | null;
export type TraceRate = Rate & { target_layer: number; null_q05: Maybe; p: Maybe };

export interface TraceEntry {
  name: string;
  source: number;
  targets: number[];
  n_sources: number;
  n_cells: number;
  /** features that were read, where it is not all of the target layers */
  n_targets: Maybe;
  n_edges: number;
  n_replicated: number;
  /** number format, and by what share changes of low rank put effects off */
  dtype: string | null;
  off_by: Maybe;
  /** other traces of the same layer and kind */
  others: string[];
  fdr: FdrRow[];
  rates: TraceRate[];
  controls: { control: string; replicate: number; target_layer: number; sources: number; edges: number; more: number; fewer: number; p: Maybe }[];
  agreement: { target_layer: number; sources: number; pairs: number; spearman: Maybe; edges: number; estimated_edges: number; same_sign: Maybe; recall: Maybe; precision: Maybe }[];
}

/** Expected from how often the feature fires; the residual is the logarithm of one more edge than there are over one more than expected. */
export type Hub = [layer: number, feature: number, edges: number, expected: Maybe, residual: Maybe, q: Maybe, term: Maybe];

/** Traces of one method, each of the features of one layer. */
export interface Graph {
  method: string;
  alpha: number;
  traces: TraceEntry[];
  /** layers whose features have edges of that side */
  sides: Record<Way, number[]>;
  /** layers of which it is known how many edges firing explains */
  expected: Record<Way, number[]>;
  hubs: Record<Way, Hub[]>;
}

/** Why a run has no edges, as a sentence. */
export const noCircuits = (summary: Summary): string =>
  absence(summary, "edges") ?? "No circuits were traced in this run: “cellprism trace” edits the features of a layer and tests what follows in later layers. Then export or serve the run again.";

export type Way = "out" | "in";

export interface Edge {
  /** the other feature */
  layer: number;
  feature: number;
  term: number | null;
  g: number;
  effect: number;
  agreement: number;
  q: number;
  n_cells: number;
  supports: boolean;
  replicated: boolean;
}

const ROWS = 4096;
const FEATURES = 8192;
const NOTHING = 0xffffffff;
const COLUMNS = ["layer", "feature", "term", "g", "q", "agreement", "effect", "n_cells", "flags"];

export const loadGraphs = (run: string) => json<Graph[]>(`runs/${run}/circuit/index.jz`);

/** Whether the effects of a graph are measured, not estimated by gradients. */
export const isExact = ({ method }: Graph) => method === "ablation";

async function load(path: string, columns: string[]) {
  return once(path, () => readColumns(path, columns));
}

/** Edges of the features of a layer beside those that their firing explains. */
export async function loadDegrees(run: string, number: number, way: Way, layer: number) {
  return (await load(`runs/${run}/circuit/${number}/degrees/${way}/L${two(layer)}.bin`, ["feature", "degree", "expected", "residual", "q", "frequency"])).columns;
}

/** The edges of a feature, strongest first; none where the traces do not reach its layer. */
export async function loadEdges(run: string, number: number, graph: Graph, way: Way, layer: number, feature: number): Promise<Edge[]> {
  if (!graph.sides[way].includes(layer)) return [];
  const folder = `runs/${run}/circuit/${number}/${way}/L${two(layer)}`;
  const at = await load(`${folder}/at${Math.floor(feature / FEATURES)}.bin`, ["start", "n"]);
  const start = at.columns["start"]![feature % FEATURES] ?? 0;
  const n = at.columns["n"]![feature % FEATURES] ?? 0;
  if (!n) return [];
  const first = Math.floor(start / ROWS);
  const files = await Promise.all(Array.from({ length: Math.floor((start + n - 1) / ROWS) - first + 1 }, (_, i) => load(`${folder}/${first + i}.bin`, COLUMNS)));
  return Array.from({ length: n }, (_, i): Edge => {
    const row = start + i - first * ROWS;
    const c = files[Math.floor(row / ROWS)]!.columns;
    const k = row % ROWS;
    const term = c["term"]![k]!;
    return {
      layer: c["layer"]![k]!, feature: c["feature"]![k]!, term: term === NOTHING ? null : term, g: (c["g"]![k]! - 32768) / 1000, effect: c["effect"]![k]!,
      agreement: c["agreement"]![k]! / 100, q: 10 ** (-c["q"]![k]! / 1000), n_cells: c["n_cells"]![k]!, supports: (c["flags"]![k]! & 1) === 1, replicated: (c["flags"]![k]! & 2) === 2,
    };
  });
}

export interface Limits {
  q: number;
  g: number;
  agreement: number;
  sign: string;
  replicated: boolean;
}

export const Q = 0.05;
export const G = 0.5;
export const AGREEMENT = 0.7;

export function limitsOf(query: Query): Limits {
  const number = (name: string, otherwise: number) => (Number.isFinite(Number(query[name] || NaN)) ? Number(query[name]) : otherwise);
  return {
    q: Math.min(Q, number("q", Q)), g: Math.max(G, number("g", G)), agreement: Math.max(AGREEMENT, number("agreement", AGREEMENT)),
    sign: query["sign"] ?? "", replicated: query["replicated"] === "1",
  };
}

export const within = ({ q, g, agreement, sign, replicated }: Limits) => (edge: Edge): boolean =>
  edge.q <= q * 1.001 && Math.abs(edge.g) >= g - 0.001 && edge.agreement >= agreement - 0.005 && (!replicated || edge.replicated) && (!sign || (sign === "supports") === edge.supports);

/** The row of the table of false discoveries with the strictest thresholds that these limits reach; only at the default ones it asks for q too. */
export function falseShare(traces: TraceEntry[], { g, agreement }: Limits): FdrRow | null {
  const rule = g <= G && agreement <= AGREEMENT ? "calibrated" : "thresholds";
  const rows = traces.flatMap(({ fdr }) => fdr.filter((row) => row.rule === rule && row.g <= g && row.agreement <= agreement));
  if (!rows.length) return null;
  const best = Math.max(...rows.map((row) => row.g * 100 + row.agreement));
  const same = rows.filter((row) => row.g * 100 + row.agreement === best);
  const edges = same.reduce((sum, row) => sum + row.edges, 0);
  const chance = same.reduce((sum, row) => sum + row.null_mean, 0);
  return { ...same[0]!, edges, null_mean: chance, fdr: edges ? chance / edges : null };
}

export type Place = [layer: number, feature: number];
export const placeOf = (text: string | undefined): Place | null => {
  const found = /^(\d+)[.·](\d+)$/.exec((text ?? "").trim());
  return found ? [Number(found[1]), Number(found[2])] : null;
};

export interface Path {
  nodes: { layer: number; feature: number; term: number | null }[];
  edges: Edge[];
  /** sum of 1 / |g| */
  resistance: number;
}

/** Features beyond the first step that are looked at for paths of three edges. */
export const TRIED = 20;

/** Paths of at most three edges, least resistance first; those of three go through one of the strongest first steps. */
export async function paths(out: Edge[], into: Edge[], target: Place, step: (at: Place) => Promise<Edge[]>, passes: (edge: Edge) => boolean): Promise<Path[]> {
  const last = new Map(into.filter(passes).map((edge) => [`${edge.layer}.${edge.feature}`, edge]));
  const first = out.filter(passes);
  const found: Path[] = [];
  const add = (edges: Edge[]) => {
    const nodes = edges.map(({ layer, feature, term }) => ({ layer, feature, term }));
    found.push({ nodes, edges, resistance: edges.reduce((sum, { g }) => sum + 1 / Math.abs(g), 0) });
  };
  const arrives = (edge: Edge): Edge => ({ ...edge, layer: target[0], feature: target[1], term: null });
  for (const edge of first) {
    if (edge.layer === target[0] && edge.feature === target[1]) add([edge]);
    const end = last.get(`${edge.layer}.${edge.feature}`);
    if (end) add([edge, arrives(end)]);
  }
  const middle = first.filter(({ layer }) => layer < target[0]).slice(0, TRIED);
  const seconds = await Promise.all(middle.map(({ layer, feature }) => step([layer, feature])));
  middle.forEach((edge, i) => {
    for (const second of seconds[i]!.filter(passes)) {
      const end = last.get(`${second.layer}.${second.feature}`);
      if (end) add([edge, second, arrives(end)]);
    }
  });
  return found.sort((a, b) => a.resistance - b.resistance);
}
