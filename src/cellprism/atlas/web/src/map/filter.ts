// Which rows pass: the ranges of numbers, the outline drawn on the map, and what each filter alone would leave.
import type { FeatureMap } from "../data/columns";
import type { NumberColumn, Values } from "./numbers";

export const BINS = 24;

/** Least and largest value that pass; an open end is null. */
export type Range = [least: number | null, largest: number | null];
export type Ranges = Record<string, Range>;

const part = (text: string | undefined) => (text ? Number(text) : null);

/** `frequency:0.01..;auroc:0.8..0.95` */
export function decodeRanges(text: string | undefined): Ranges {
  const ranges: Ranges = {};
  for (const piece of (text ?? "").split(";")) {
    const found = /^(\w+):([-\d.e]*?)\.\.([-\d.e]*)$/.exec(piece);
    if (found) ranges[found[1]!] = [part(found[2]), part(found[3])];
  }
  return ranges;
}

export const encodeRanges = (ranges: Ranges): string =>
  Object.entries(ranges).filter(([, [a, b]]) => a !== null || b !== null).map(([key, [a, b]]) => `${key}:${a ?? ""}..${b ?? ""}`).join(";");

/** The bins of a column: evenly spaced between its least and largest value, or their logarithms. */
export interface Scale {
  low: number;
  high: number;
  bin: (value: number) => number;
  edge: (i: number) => number;
}

export function scaleOf(values: Float32Array | Float64Array, { log }: NumberColumn): Scale {
  const on = (x: number) => (log ? Math.log10(x) : x);
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    const x = on(value);
    if (!Number.isFinite(x)) continue;
    low = Math.min(low, x);
    high = Math.max(high, x);
  }
  if (!(low < high)) [low, high] = Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
  const step = (high - low) / BINS;
  return {
    low, high,
    bin: (value) => (Number.isFinite(on(value)) ? Math.min(BINS - 1, Math.floor((on(value) - low) / step)) : -1),
    edge: (i) => (log ? 10 ** (low + i * step) : low + i * step),
  };
}

/** A bound as the address has it: an open end at the ends of the scale, four digits elsewhere. */
export const bound = (scale: Scale, i: number): number | null =>
  i <= 0 || i >= BINS ? null : Number(scale.edge(i).toPrecision(4));

/** The edge of a bin that a bound stands for. */
export function place(scale: Scale, value: number | null, open: number): number {
  if (value === null) return open;
  let best = 0;
  for (let i = 1; i <= BINS; i++) if (Math.abs(scale.edge(i) - value) < Math.abs(scale.edge(best) - value)) best = i;
  return best;
}

const within = (value: number, [least, largest]: Range) => (least === null || value >= least) && (largest === null || value < largest) && !Number.isNaN(value);

/** 0 where a row passes, else 1 + the place of the only filter that it fails, or -1 where it fails several. */
export function failures(n: number, filters: ((row: number) => boolean)[]): Int8Array {
  const failed = new Int8Array(n);
  filters.forEach((passes, i) => {
    for (let row = 0; row < n; row++) if (!passes(row)) failed[row] = failed[row] === 0 ? i + 1 : -1;
  });
  return failed;
}

export const rangeFilters = (ranges: Ranges, values: Values): [key: string, test: (row: number) => boolean][] =>
  Object.entries(ranges).flatMap(([key, range]) => {
    const column = values(key);
    return column ? [[key, (row: number) => within(column[row]!, range)]] : [];
  });

/** Counts per bin of the rows that pass every other filter. */
export function binned(values: Float32Array | Float64Array, scale: Scale, passes: (row: number) => boolean): Uint32Array {
  const counts = new Uint32Array(BINS);
  for (let row = 0; row < values.length; row++) {
    const bin = scale.bin(values[row]!);
    if (bin >= 0 && passes(row)) counts[bin]!++;
  }
  return counts;
}

export type Outline = [x: number, y: number][];

/** Corners in the map's coordinates, `x.y` in base 36. */
export const encodeOutline = (outline: Outline): string => outline.map(([x, y]) => `${Math.round(x).toString(36)}.${Math.round(y).toString(36)}`).join("_");

export function decodeOutline(text: string | undefined): Outline | null {
  if (!text) return null;
  const corners = text.split("_").map((corner): [number, number] => {
    const [x, y] = corner.split(".");
    return [parseInt(x ?? "", 36), parseInt(y ?? "", 36)];
  });
  return corners.length > 2 && corners.every(([x, y]) => Number.isFinite(x) && Number.isFinite(y)) ? corners : null;
}

/** At most `most` corners, evenly along the line. */
export const simplify = (outline: Outline, most: number): Outline =>
  outline.length <= most ? outline : Array.from({ length: most }, (_, i) => outline[Math.floor((i * outline.length) / most)]!);

/** Whether a row lies within an outline, by the even-odd rule. */
export function inside(map: FeatureMap, outline: Outline): (row: number) => boolean {
  return (row) => {
    const [x, y] = [map.x[row]!, map.y[row]!];
    let odd = false;
    for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
      const [xi, yi] = outline[i]!;
      const [xj, yj] = outline[j]!;
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
    }
    return odd;
  };
}
