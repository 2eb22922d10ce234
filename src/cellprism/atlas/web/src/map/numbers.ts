// The numbers that every feature has: to colour by, to filter by, and where they come from.
import { DEAD, NONE32, type FeatureMap } from "../data/columns";
import { count, number, percent, probability } from "../lib/format";

export interface NumberColumn {
  key: string;
  title: string;
  unit: string;
  /** what is said of a feature that lacks it */
  none: string;
  log: boolean;
  show: (x: number) => string;
  /** the whole scale, where the numbers have one */
  range?: [number, number];
  /** its name in the table that `run.features(layer)` gives, or in the one that `from` gives */
  python: string;
  from?: (layer: number) => string;
  /** of the map's own columns; otherwise the number is in a file of its own */
  value?: (map: FeatureMap, row: number) => number;
}

const variance = (layer: number) => `run.variance(${layer}).rename(columns={"gene": "by_gene", "cell": "by_cell", "rest": "by_context"})`;

const dead = (map: FeatureMap, i: number) => (map.flags[i]! & DEAD) !== 0;
const whole = (x: number) => count(x);
const two = (x: number) => x.toFixed(2);

const edges = (at: string, of: string, name: string) => (layer: number) =>
  [
    'run.edges().drop_duplicates(["source_layer", "source", "target_layer", "target"])',
    `more = more.query("${at} == ${layer}").groupby("${of}").size().rename("${name}").rename_axis("feature").reset_index()`,
  ].join("\n");

export const numberColumns: NumberColumn[] = [
  {
    key: "frequency", title: "Firing frequency", unit: "share of positions, log scale", none: "never fires", log: true,
    show: (x) => percent(x, 2), python: "frequency", value: (map, i) => map.frequency[i] || NaN,
  },
  { key: "mean_value", title: "Mean activation", unit: "mean where it fires", none: "never fires", log: false, show: number, python: "mean_value" },
  {
    key: "max", title: "Largest activation", unit: "activation", none: "never fires", log: false, show: number,
    python: "max_value", value: (map, i) => (dead(map, i) ? NaN : map.max_value[i]!),
  },
  {
    key: "terms", title: "Number of terms", unit: "terms, log scale", none: "not annotated", log: true, show: whole,
    python: "n_terms", value: (map, i) => map.n_terms[i] || NaN,
  },
  {
    key: "q", title: "q of the label", unit: "false discovery rate, log scale", none: "not annotated", log: true,
    show: probability, python: "label_q", value: (map, i) => map.label_q[i]!,
  },
  {
    key: "auroc", title: "AUROC of its group", unit: "AUROC, 0.5 is chance", none: "no group at q < 0.05", log: false, show: two,
    range: [0.5, 1], python: "group_auroc", value: (map, i) => map.group_auroc[i]!,
  },
  {
    key: "cells", title: "Cells", unit: "cells in which it fires, log scale", none: "not known", log: true, show: whole,
    python: "n_cells", value: (map, i) => (map.n_cells[i] === NONE32 ? NaN : map.n_cells[i]!),
  },
  { key: "stability", title: "Stability", unit: "overlap (Jaccard) of its firings with the same feature of other seeds", none: "not known", log: false, range: [0, 1], show: two, python: "stability" },
  { key: "n_genes", title: "Genes", unit: "genes on which it fires, log scale", none: "never fires", log: true, show: whole, python: "n_genes" },
  { key: "by_gene", title: "Owed to the gene", unit: "share of its variance that which gene it is explains", none: "never fires", log: false, range: [0, 1], show: two, python: "by_gene", from: variance },
  { key: "by_cell", title: "Owed to the cell", unit: "share of its variance that which cell it is explains", none: "never fires", log: false, show: two, python: "by_cell", from: variance },
  { key: "by_context", title: "Owed to the gene in its cell", unit: "share of its variance that neither gene nor cell explains", none: "never fires", log: false, range: [0, 1], show: two, python: "by_context", from: variance },
  { key: "atom_cosine", title: "Nearest atom", unit: "absolute cosine with the nearest other atom", none: "not known", log: false, show: two, python: "atom_cosine", from: (layer) => `run.neighbours(${layer}).query("kind == 'atom' and rank == 0").rename(columns={"similarity": "atom_cosine"})` },
  { key: "axis_cosine", title: "Nearest axis", unit: "absolute cosine with the nearest principal axis", none: "not known", log: false, show: two, python: "axis_cosine", from: (layer) => `run.alignment(${layer}).rename(columns={"cosine": "axis_cosine"})` },
  { key: "n_layers", title: "Layers it lasts", unit: "layers of its chain", none: "not known", log: false, show: whole, python: "n_layers", from: (layer) => `run.chain_members().query("layer == ${layer}").merge(run.chains()[["chain", "n_layers"]], on="chain")` },
  { key: "highway_pmi", title: "Strongest highway", unit: "PMI (log2) with a feature of a later layer", none: "no highway", log: false, show: number, python: "highway_pmi", from: (layer) => `run.highways(${layer}).groupby("feature")["pmi"].max().rename("highway_pmi").reset_index()` },
  { key: "out_degree", title: "Edges out", unit: "features that it changes, log scale", none: "none", log: true, show: whole, python: "out_degree", from: edges("source_layer", "source", "out_degree") },
  { key: "in_degree", title: "Edges in", unit: "features that change it, log scale", none: "none", log: true, show: whole, python: "in_degree", from: edges("target_layer", "target", "in_degree") },
];

/** Values by column, in the order of the map's rows; nothing of a column whose file is not there yet. */
export type Values = (key: string) => Float32Array | Float64Array | undefined;

/** The columns that a layer has: those of the map that hold anything, and those with a file. */
export const columnsOf = (map: FeatureMap, files: string[]): NumberColumn[] =>
  numberColumns.filter(({ key, value }) => (value ? map.feature.some((_, i) => Number.isFinite(value(map, i))) : files.includes(key)));

export function valuesOf(map: FeatureMap, { value }: NumberColumn): Float64Array {
  const values = new Float64Array(map.n).fill(NaN);
  if (value) for (let i = 0; i < map.n; i++) values[i] = value(map, i);
  return values;
}

/** The numbers in the map's own columns, each made when it is first asked for. */
export function ownValues(map: FeatureMap, columns: NumberColumn[]): Values {
  const made = new Map<string, Float64Array>();
  return (key) => {
    const column = columns.find((column) => column.key === key && column.value);
    if (column && !made.has(key)) made.set(key, valuesOf(map, column));
    return made.get(key);
  };
}
