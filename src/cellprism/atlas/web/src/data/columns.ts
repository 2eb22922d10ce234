// Column files (CPC1): typed arrays laid over the bytes, nothing copied.
import { DataError, readBytes } from "./read";

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array;

interface Header {
  n: number;
  columns: { name: string; dtype: string; offset: number }[];
}

const makers: Record<string, (buffer: ArrayBuffer, offset: number, n: number) => Column> = {
  u8: (buffer, offset, n) => new Uint8Array(buffer, offset, n),
  u16: (buffer, offset, n) => new Uint16Array(buffer, offset, n),
  u32: (buffer, offset, n) => new Uint32Array(buffer, offset, n),
  i32: (buffer, offset, n) => new Int32Array(buffer, offset, n),
  f32: (buffer, offset, n) => new Float32Array(buffer, offset, n),
};

export interface FeatureMap {
  n: number;
  feature: Uint32Array;
  x: Uint16Array;
  y: Uint16Array;
  n_fired: Uint32Array;
  frequency: Float32Array;
  n_cells: Uint32Array;
  max_value: Float32Array;
  n_terms: Uint16Array;
  label: Uint32Array;
  label_q: Float32Array;
  module: Uint16Array;
  group: Uint16Array;
  group_auroc: Float32Array;
  flags: Uint8Array;
  /** row of a feature, if it is among these */
  row: (feature: number) => number | null;
}

export const NONE16 = 0xffff;
export const NONE32 = 0xffffffff;
export const DEAD = 1;
export const RARE = 2;

const required = [
  "feature", "x", "y", "n_fired", "frequency", "n_cells", "max_value", "n_terms", "label", "label_q", "module",
  "group", "group_auroc", "flags",
];

function parse(bytes: Uint8Array<ArrayBuffer>, path: string): Columns {
  if (new TextDecoder().decode(bytes.subarray(0, 4)) !== "CPC1") {
    throw new DataError(`${path} is damaged: it is not a column file.`);
  }
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size))) as Header;
  const columns: Record<string, Column> = {};
  for (const { name, dtype, offset } of header.columns) {
    const make = makers[dtype];
    if (make) columns[name] = make(bytes.buffer, bytes.byteOffset + 8 + size + offset, header.n);
  }
  return { n: header.n, columns };
}

function featureMap({ n, columns }: Columns): FeatureMap {
  const feature = columns["feature"] as Uint32Array;
  const rows = new Int32Array(feature.reduce((most, i) => Math.max(most, i), -1) + 1).fill(-1);
  for (let i = 0; i < n; i++) rows[feature[i]!] = i;
  const row = (wanted: number) => ((rows[wanted] ?? -1) < 0 ? null : rows[wanted]!);
  return { n, row, ...columns } as unknown as FeatureMap;
}

export const readFeatureMap = async (path: string): Promise<FeatureMap> => featureMap(await readColumns(path, required));

/** The map of a layer from its first piece and the file with the rest. */
export async function withRest(first: FeatureMap, path: string): Promise<FeatureMap> {
  const rest = await readColumns(path, required);
  const joined = required.map((name): [string, Column] => {
    const [a, b] = [first[name as keyof FeatureMap] as Column, rest.columns[name]!];
    const whole = new (a.constructor as new (n: number) => Column)(first.n + rest.n);
    whole.set(a);
    whole.set(b, first.n);
    return [name, whole];
  });
  return featureMap({ n: first.n + rest.n, columns: Object.fromEntries(joined) });
}

export interface Columns {
  n: number;
  columns: Record<string, Column>;
}

/** A column file that has at least the columns `wanted`. */
export async function readColumns(path: string, wanted: string[]): Promise<Columns> {
  const { n, columns } = parse(await readBytes(path), path);
  const missing = wanted.filter((name) => !columns[name]);
  if (missing.length) throw new DataError(`${path} lacks the columns ${missing.join(", ")}.`);
  return { n, columns };
}

/** A sample of a layer's dots with only the columns that a small map needs. */
export async function readMini(path: string): Promise<FeatureMap> {
  const { n, columns } = await readColumns(path, ["x", "y", "module", "group", "group_auroc"]);
  return { n, flags: new Uint8Array(n), ...columns } as unknown as FeatureMap;
}

/** Top genes of all features of a layer, by rank, in order of the features' index. */
export interface TopGenes {
  n: number;
  label: Uint32Array;
  group: Uint16Array;
  genes: (Uint16Array | Uint32Array)[];
}

export async function readTopGenes(path: string): Promise<TopGenes> {
  const { n, columns } = await readColumns(path, ["label", "group"]);
  const { label, group, ...rest } = columns;
  const ranks = Object.keys(rest).filter((name) => /^gene\d+$/.test(name)).sort();
  return { n, label, group, genes: ranks.map((name) => rest[name]) } as TopGenes;
}

export const onMap = (map: FeatureMap, i: number) => map.x[i] !== NONE16 || map.y[i] !== NONE16;
