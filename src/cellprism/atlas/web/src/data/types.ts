// The files of an atlas, as docs/atlas-format.md describes them.

export interface RunEntry {
  id: string;
  title: string;
  layers: number[];
  n_features: number;
}

export interface AtlasIndex {
  format: number;
  generator: string;
  mode: string;
  capabilities: string[];
  runs: RunEntry[];
}

export interface Metric {
  metric: string;
  value: number | null;
  n: number | null;
  unit: string;
}

export interface Rate {
  rate: string;
  value: number | null;
  n: number | null;
  unit: string;
  null_mean: number | null;
  null_q95: number | null;
  n_permutations: number | null;
  null: string;
  protocol: string;
}

export interface LayerSummary {
  layer: number;
  n_features: number;
  n_alive: number;
  n_rare: number | null;
  n_annotated: number;
  n_modules: number;
  metrics: Metric[];
  rates: Rate[];
  /** numbers of its features that are in files of their own */
  columns: string[];
  map: { method: string; metric: string | null; seed: number | null; trustworthiness: number | null } | null;
  /** the surest labels and where they are on the map; absent from atlases of older versions */
  names?: [term: number, x: number, y: number][];
}

export interface Finding {
  layer: number;
  feature: number;
  term: number | null;
  q: number | null;
  group: number | null;
  auroc: number | null;
  /** top genes in order of rank, each with its mean activation */
  genes: [gene: number, mean: number][];
}

export interface Stage {
  name: string;
  started: string;
  seconds: number;
  outputs: Record<string, string>;
}

export interface Summary {
  id: string;
  title: string;
  seed: number;
  model: { kind: string; name: string; n_layers: number; d_model: number | null };
  cells: { n_cells: number | null; n_positions: number; n_genes: number; source: string; notes: string[] };
  background: { min_seen: number | null };
  /** what the run was made without, and why */
  absent: { table: string; layers: number[] | null; reason: string }[];
  layers: LayerSummary[];
  findings: Finding[];
  stories: Story[];
  /** names of the genes of findings and stories */
  genes: NamedGenes;
  /** files over which the records of genes and of terms are spread */
  files: { gene: number; term: number; name?: number; symbols?: number };
  /** names of the tables about features taken away; absent from atlases of older versions */
  ablation?: { patching: string[]; combinations: string[]; damage: string[] };
  provenance: { environment: Record<string, unknown>; config: unknown; stages: Stage[] };
}

export interface Genes {
  symbol: string[];
  id: string[];
  n_seen: (number | null)[];
}

/** The same before identifiers and counts are there. */
export type Symbols = Pick<Genes, "symbol"> & Partial<Genes>;

/** Names of some genes, such as those that one page mentions. */
export interface GeneNames {
  symbol: Record<number, string>;
  id: Record<number, string>;
}

export interface Terms {
  source: string[];
  term: string[];
}

export interface Groups {
  key: string[];
  value: string[];
  n_cells: number[];
}

type Maybe = number | null;
/** gene to symbol and, where it is another, identifier */
export type NamedGenes = Record<string, [symbol: string, id?: string]>;
export type GeneRow = [gene: number, seen: Maybe, fired: Maybe, mean: number, sd: Maybe, lower: Maybe];
export type AnnotationRow = [
  term: number, overlap: number, nGenes: number, termSize: number | null, genes: number[],
  effect: number | null, p: number | null, q: number,
];
export type GroupRow = [
  group: number, nUnits: number, unit: string, auroc: number | null, logRatio: number | null,
  p: number | null, q: number | null,
];
export type NeighbourRow = [
  kind: string, layer: number, feature: number, similarity: number | null, nullQ95: number | null,
  term: number | null,
];

export interface Feature {
  feature: number;
  n_fired: number;
  frequency: number | null;
  n_cells: number | null;
  n_genes: number | null;
  mean_value: number | null;
  max_value: number | null;
  dead: boolean;
  rare: boolean;
  module: number | null;
  /** what the module is called, if a test named it */
  module_term: number | null;
  label: { term: number; q: number | null; n_terms: number } | null;
  genes: GeneRow[];
  annotations: AnnotationRow[];
  groups: GroupRow[];
  neighbours: NeighbourRow[];
  /** features of later layers that fire at the same positions */
  highways: [layer: number, feature: number, count: Maybe, pmi: Maybe, q: Maybe, term: Maybe][];
  /** the features that it goes on as, layer by layer */
  chain: [firstLayer: number, features: number[], cosines: number[], terms: Maybe[]] | null;
  histogram: number[];
  /** parts that not every run and not every feature has */
  variance?: [gene: Maybe, cell: Maybe, rest: Maybe, fixed: boolean];
  axis?: [axis: Maybe, cosine: Maybe];
  string?: [nInNetwork: Maybe, edges: Maybe, expected: Maybe, effect: Maybe, p: Maybe, q: Maybe];
  nearest?: [feature: Maybe, cosine: Maybe, reliability: Maybe];
  stability?: [n_seeds: Maybe, same_atom: Maybe, jaccard: Maybe, null_jaccard: Maybe];
  /** at the largest factor of its activation */
  steering?: [arm: string, alpha: number, rows: [readout: string, effect: Maybe, low: Maybe, high: Maybe, q: Maybe, span: Maybe][]];
  responses?: [perturbations: number, responding: number, rows: [target: string, effect: Maybe, low: Maybe, high: Maybe, t: Maybe, q: Maybe][]];
  odds?: OddsRow[];
  patching?: [source: string, term: string, n_genes: number, n_cells: number, effect: Maybe, low: Maybe, high: Maybe, p: Maybe, q: Maybe, random: Maybe];
  damage?: [arm: string, partner: number | null, n_cells: number, loss: Maybe, hit: Maybe][];
  remarks?: [label: string | null, note: string | null, author: string | null, written: string | null][];
}

export type GroupHit = [
  layer: number, feature: number, nUnits: number, unit: string, auroc: Maybe, logRatio: Maybe, p: Maybe, q: Maybe,
  term: Maybe,
];
/** features of a layer that tell a group apart, the largest AUROC and its feature */
export type MatrixCell = [n: number, auroc: Maybe, feature: Maybe];

export type TermHit = [
  layer: number, feature: number, overlap: Maybe, nGenes: Maybe, termSize: Maybe, genes: number[], effect: Maybe,
  p: Maybe, q: Maybe,
];

export interface TermRecord {
  /** tests of features that share genes with the term */
  n: number;
  /** features of each layer that carry it at q < 0.05 */
  layers: [layer: number, features: number][];
  rows: TermHit[];
}

export interface TableFile {
  file: string;
  table?: string;
  rows?: number;
  /** rates or metrics that the file holds */
  names?: string[];
  bytes: number;
  sha256: string;
  stage?: string | null;
  /** where another command than the run's has written it */
  command?: string;
  seed?: number;
  notes?: Record<string, unknown>;
}

export interface Tables {
  command: string;
  seed: number;
  tables: Record<string, { version: number; columns: [name: string, type: string, meaning: string][] }>;
  files: TableFile[];
}

export interface Story {
  kind: string;
  layer: number;
  feature: number | null;
  module: number | null;
  term: number | null;
  group: number | null;
  genes: [gene: number, mean: number][];
  evidence: [table: string, column: string, value: number | null][];
  /** where the table of an edge is */
  within?: string;
}

export type GeneHit = [layer: number, feature: number, rank: number, lower: Maybe, fired: Maybe, seen: Maybe, term: Maybe];

/** A group of cells as an imported atlas tests it. */
export type OddsRow = [key: string, value: string, n_cells: number | null, log_odds: number | null, q: number | null];

export interface Module {
  module: number;
  n_features: number;
  /** the first of them */
  features: number[];
  n_edges: number | null;
  stability: number | null;
  term: number | null;
  n_members_with_term: number | null;
  p: number | null;
  q: number | null;
}
