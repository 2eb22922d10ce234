// Which features are shown, in what order, and which names belong on the map.
import { NONE16, NONE32, type FeatureMap } from "../data/columns";
import type { Module } from "../data/types";
import { clip, mapTerm, shortTerm } from "../lib/format";
import type { Words } from "../lib/run";
import { isDead, moduleName } from "./colouring";
import { median, type Name } from "./labels";
import type { Placed, Spot } from "./view";

/** Whether a row's label or cell group contains `text`, or its number is that text. */
export function matches(map: FeatureMap, words: Words, text: string): (row: number) => boolean {
  const wanted = text.trim().toLowerCase();
  const has = (strings: string[]) => strings.map((s) => s.toLowerCase().includes(wanted));
  const terms = has(words.terms.term);
  const groups = has(words.groups.value);
  const number = String(Number(wanted)) === wanted ? Number(wanted) : -1;
  return (i) => map.feature[i] === number || (map.label[i] !== NONE32 && terms[map.label[i]!]!) || (map.group[i] !== NONE16 && groups[map.group[i]!]!);
}

export type SortKey = "feature" | "label" | "q" | "terms" | "group" | "auroc" | "module" | "frequency" | "max";

/** Names that are tried at a place on the map, at most. */
const SUREST = 600;

/** Members of a module whose middle is where its name stands; rows are in random order, so that the first are a sample. */
const MIDDLE = 500;

type Value = number | string;

function reader(key: SortKey, map: FeatureMap, { terms, groups }: Words): (row: number) => Value {
  switch (key) {
    case "feature": return (i) => map.feature[i]!;
    case "label": return (i) => (map.label[i] === NONE32 ? NaN : shortTerm(terms.term[map.label[i]!] ?? ""));
    case "q": return (i) => map.label_q[i]!;
    case "terms": return (i) => map.n_terms[i]!;
    case "group": return (i) => (map.group[i] === NONE16 ? NaN : groups.value[map.group[i]!] ?? "");
    case "auroc": return (i) => map.group_auroc[i]!;
    case "module": return (i) => (map.module[i] === NONE16 ? NaN : map.module[i]!);
    case "frequency": return (i) => map.frequency[i]!;
    case "max": return (i) => (isDead(map, i) ? NaN : map.max_value[i]!);
  }
}

/** All rows, sorted; those without a value come last in both directions, ties by feature. */
export function sorted(map: FeatureMap, words: Words, key: SortKey, down: boolean): number[] {
  const value = reader(key, map, words);
  const ranks = ranked(map.n, value);
  const known: number[] = [];
  const last: number[] = [];
  // In the order of features, which the sort keeps among equals.
  for (const row of byFeature(map)) (ranks[row] === LAST ? last : known).push(row);
  return [...known.sort(down ? (a, b) => ranks[b]! - ranks[a]! : (a, b) => ranks[a]! - ranks[b]!), ...last];
}

function byFeature({ n, feature }: FeatureMap): Uint32Array {
  const pairs = new Float64Array(n);
  for (let row = 0; row < n; row++) pairs[row] = feature[row]! * n + row;
  pairs.sort();
  const rows = new Uint32Array(n);
  for (let i = 0; i < n; i++) rows[i] = pairs[i]! % n;
  return rows;
}

const LAST = Infinity;

/** Numbers that sort as the values do: numbers themselves, texts their place among the texts; what has no value comes last. */
function ranked(n: number, value: (row: number) => Value): Float64Array {
  const ranks = new Float64Array(n);
  const texts = new Map<string, number[]>();
  for (let row = 0; row < n; row++) {
    const found = value(row);
    if (typeof found === "number") ranks[row] = Number.isNaN(found) ? LAST : found;
    else if (texts.has(found)) texts.get(found)!.push(row);
    else texts.set(found, [row]);
  }
  [...texts].sort(([a], [b]) => (a < b ? -1 : 1)).forEach(([, rows], place) => rows.forEach((row) => (ranks[row] = place)));
  return ranks;
}

/** Of rows by q, those of live features with a label; where no q is known, those with most terms first. */
export function labelled(map: FeatureMap, byQ: number[]): number[] {
  const rows = byQ.filter((i) => map.label[i] !== NONE32 && !isDead(map, i));
  return Number.isNaN(map.label_q[rows[0] ?? 0]) ? rows.sort((a, b) => map.n_terms[b]! - map.n_terms[a]!) : rows;
}

function first(rows: number[], passes: (row: number) => boolean, most: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < rows.length && found.length < most; i++) if (passes(rows[i]!)) found.push(rows[i]!);
  return found;
}

/** The names of the modules in the middle of their members, where modules are looked at, then the labels of the surest features. */
export function naming(map: FeatureMap, words: Words, modules: Module[], kind: string, byQ: number[], passes: (row: number) => boolean) {
  const largest: [name: string, rows: number[]][] = [];
  if (kind === "module") {
    const members = new Map<number, { n: number; some: number[] }>();
    for (let i = 0; i < map.n; i++) {
      if (!passes(i) || isDead(map, i) || map.module[i] === NONE16) continue;
      const own = members.get(map.module[i]!);
      if (!own) members.set(map.module[i]!, { n: 1, some: [i] });
      else if (own.n++ < MIDDLE) own.some.push(i);
    }
    largest.push(...[...members].sort((a, b) => b[1].n - a[1].n).map(([module, { some }]): [string, number[]] => [clip(moduleName(module, modules, words), 34), some]));
  }
  const surest = first(byQ, passes, SUREST);
  const middles = largest.map(([text, rows]) => ({ text, x: median(rows.map((i) => map.x[i]!)), y: median(rows.map((i) => map.y[i]!)) }));
  return (at: Placed, spot: Spot): Name[] => [
    ...middles.map(({ text, x, y }) => ({ text, strong: true, ...spot(x, y) })),
    ...surest.map((i) => ({ text: clip(mapTerm(words.terms.term[map.label[i]!] ?? ""), 34), strong: false, x: at.x[i]!, y: at.y[i]! - 10, dot: [at.x[i]!, at.y[i]!] })),
  ];
}
