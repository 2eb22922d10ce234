// What the colours of the map mean: a colour for every row and the legend that explains it.
import { DEAD, NONE16, NONE32, RARE, type FeatureMap } from "../data/columns";
import type { Groups, Module } from "../data/types";
import { mapTerm, title } from "../lib/format";
import { categories, noneColour, otherColour, pixel, sequential } from "../lib/palette";
import type { Words } from "../lib/run";
import type { Theme } from "../lib/theme";
import type { NumberColumn } from "./numbers";

/** Colours by kind; the numbers of `numberColumns` are the other choices. */
export const kinds = {
  group: "Cell group",
  module: "Module",
  annotated: "Annotated or not",
  source: "Source of the label",
} as const;

/** Least AUROC at which a feature takes the colour of its cell group; a weaker preference is left grey. */
export const TELLS_APART = 0.8;
export const noGroup = `no group at AUROC ≥ ${TELLS_APART}`;

/** The cell group that a row is coloured by. */
export const strongGroup = (map: FeatureMap, i: number): number | null =>
  map.group[i] !== NONE16 && map.group_auroc[i]! >= TELLS_APART ? map.group[i]! : null;

export type Kind = keyof typeof kinds;
export const isKind = (text: string | undefined): text is Kind => text !== undefined && text in kinds;

export interface Entry {
  /** what the address says when this entry is picked out */
  key: string;
  name: string;
  colour: string;
  /** features that have it, if that is known */
  n: number | null;
}

export type Legend =
  | { kind: "categories"; entries: Entry[] }
  | { kind: "numbers"; stops: string[]; ticks: string[]; unit: string; none: string | null };

export interface Colouring {
  colour: Uint32Array;
  legend: Legend;
  /** whether a row has the category of that key; null for numbers */
  has: ((key: string) => (row: number) => boolean) | null;
}

const NONE = "none";

interface Categories {
  /** number of a row's category, from 0 on; -1 for none */
  code: (row: number) => number;
  key: (code: number) => string;
  name: (key: string) => string;
  none: string;
  /** a colour that does not depend on this layer; otherwise the categories with most features get the hues */
  hue?: (key: string) => string | undefined;
}

/** The colour of every cell group, the same in all layers: groups with most cells get the hues. */
export function groupColours(groups: Groups, theme: Theme): string[] {
  const hues = categories(theme);
  const order = groups.n_cells.map((_, i) => i).sort((a, b) => groups.n_cells[b]! - groups.n_cells[a]! || a - b);
  const colours = groups.n_cells.map((): string => otherColour(theme));
  order.slice(0, hues.length).forEach((group, i) => (colours[group] = hues[i]!));
  return colours;
}

/** Number of every row's category and how many live features each has; the category with the last number is none. */
interface Counted {
  codes: Int32Array;
  n: Uint32Array;
}

const counted = new WeakMap<FeatureMap, Map<Kind, Counted>>();

/** Kept for each map: to look again at a colour that was there costs no more than the picture. */
function countedBy(map: FeatureMap, kind: Kind, code: (row: number) => number): Counted {
  const known = counted.get(map) ?? new Map<Kind, Counted>();
  counted.set(map, known);
  const own = known.get(kind);
  if (own) return own;
  const codes = new Int32Array(map.n);
  let none = 0;
  for (let i = 0; i < map.n; i++) none = Math.max(none, (codes[i] = code(i)) + 1);
  const n = new Uint32Array(none + 1);
  for (let i = 0; i < map.n; i++) {
    if (codes[i]! < 0) codes[i] = none;
    if (!(map.flags[i]! & DEAD)) n[codes[i]!]!++;
  }
  const fresh = { codes, n };
  known.set(kind, fresh);
  return fresh;
}

function categorical(kind: Kind, map: FeatureMap, theme: Theme, { code, key, name, none, hue }: Categories): Colouring {
  const { codes, n } = countedBy(map, kind, code);
  const last = n.length - 1;
  const counts = Array.from(n.subarray(0, last), (count, i): [string, number, number] => [key(i), count, i]).filter(([, count]) => count > 0);
  const ranked = counts.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const hues = categories(theme);
  const entries: Entry[] = ranked.map(([k, n], i) => ({ key: k, name: name(k), n, colour: (hue ? hue(k) : hues[i]) ?? otherColour(theme) }));
  if (n[last]) entries.push({ key: NONE, name: none, n: n[last]!, colour: noneColour(theme) });
  const colours = new Uint32Array(n.length).fill(pixel(noneColour(theme)));
  ranked.forEach(([, , i], place) => (colours[i] = pixel(entries[place]!.colour)));
  const colour = new Uint32Array(map.n);
  for (let i = 0; i < map.n; i++) colour[i] = colours[codes[i]!]!;
  const known = new Map(ranked.map(([k, , i]) => [k, i]));
  const has = (wanted: string) => {
    const own = wanted === NONE ? last : known.get(wanted);
    return (row: number) => codes[row] === own;
  };
  return { colour, legend: { kind: "categories", entries }, has };
}

/** The ends of a colour scale, on a logarithmic one their logarithms. */
export type Ends = [low: number, high: number];

const found = new WeakMap<Float32Array | Float64Array, Ends>();

/** The outermost 1 % on each side take the end colours, or one outlier would flatten the rest. */
export function endsOf(values: Float32Array | Float64Array, { log, range }: NumberColumn): Ends {
  if (range) return range;
  const known = found.get(values);
  if (known) return known;
  const all = new Float64Array(values.length);
  let n = 0;
  for (let row = 0; row < values.length; row++) {
    const v = log ? Math.log10(values[row]!) : values[row]!;
    if (Number.isFinite(v)) all[n++] = v;
  }
  const finite = all.subarray(0, n).sort();
  const at = (share: number) => finite[Math.round(share * (n - 1))] ?? 0;
  const ends: Ends = [at(0.01), at(0.99)];
  found.set(values, ends);
  return ends;
}

/** Colours by a number; `ends` where several layers share one scale. */
export function colouringBy(column: NumberColumn, values: Float32Array | Float64Array, theme: Theme, ends = endsOf(values, column)): Colouring {
  const [low, high] = ends;
  const span = high - low || 1;
  const shades = Array.from({ length: 64 }, (_, i) => pixel(sequential(i / 63, theme)));
  const blank = pixel(noneColour(theme));
  let missing = false;
  const colour = new Uint32Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const v = column.log ? Math.log10(values[row]!) : values[row]!;
    const known = Number.isFinite(v);
    colour[row] = known ? shades[Math.min(63, Math.max(0, Math.round((63 * (v - low)) / span)))]! : blank;
    missing ||= !known;
  }
  return {
    colour,
    has: null,
    legend: {
      kind: "numbers",
      stops: Array.from({ length: 9 }, (_, i) => sequential(i / 8, theme)),
      ticks: [low, low + span / 2, high].map((x) => column.show(column.log ? 10 ** x : x)),
      unit: column.unit,
      none: missing ? column.none : null,
    },
  };
}

export function colouring(kind: Kind, map: FeatureMap, words: Words, modules: Module[], theme: Theme): Colouring {
  const { terms, groups } = words;
  switch (kind) {
    case "group": {
      const colours = groupColours(groups, theme);
      return categorical(kind, map, theme, {
        hue: (k) => colours[Number(k)],
        code: (i) => strongGroup(map, i) ?? -1,
        key: String,
        name: (k) => groups.value[Number(k)] ?? k,
        none: noGroup,
      });
    }
    case "module":
      return categorical(kind, map, theme, {
        code: (i) => (map.module[i] === NONE16 ? -1 : map.module[i]!),
        key: String,
        name: (k) => moduleName(Number(k), modules, words),
        none: "in no module",
      });
    case "annotated":
      return categorical(kind, map, theme, {
        code: (i) => (map.label[i] === NONE32 ? -1 : 0),
        key: () => "yes",
        name: () => "annotated",
        none: "not annotated",
      });
    case "source": {
      const sources = [...new Set(terms.source)];
      const numbers = new Map(sources.map((source, i) => [source, i]));
      const ofTerm = Int32Array.from(terms.source, (source) => numbers.get(source)!);
      return categorical(kind, map, theme, {
        code: (i) => (map.label[i] === NONE32 ? -1 : ofTerm[map.label[i]!] ?? -1),
        key: (i) => sources[i]!,
        name: title,
        none: "not annotated",
      });
    }
  }
}

export function moduleTerm(id: number, modules: Module[], { terms }: Words): string | null {
  const term = modules.find((m) => m.module === id)?.term;
  return term === null || term === undefined ? null : mapTerm(terms.term[term] ?? "");
}

export function moduleName(id: number, modules: Module[], words: Words): string {
  const term = moduleTerm(id, modules, words);
  return term === null ? `Module ${id}` : `${id} · ${term}`;
}

export const isRare = (map: FeatureMap, i: number) => (map.flags[i]! & RARE) !== 0;
export const isDead = (map: FeatureMap, i: number) => (map.flags[i]! & DEAD) !== 0;
