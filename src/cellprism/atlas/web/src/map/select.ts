// Which features are shown, in what order, and which names belong on the map.
import { NONE16, NONE32, type FeatureMap } from "../data/columns";
import type { Module } from "../data/types";
import { clip, mapTerm, shortTerm } from "../lib/format";
import type { Words } from "../lib/run";
import { isDead, moduleName } from "./colouring";
import { median, type Name } from "./labels";
import type { Placed } from "./view";

/** Whether a row's label or cell group contains `text`, or its number is that text. */
export function matches(map: FeatureMap, words: Words, text: string): (row: number) => boolean {
  const wanted = text.trim().toLowerCase();
  const has = (strings: string[]) => strings.map((s) => s.toLowerCase().includes(wanted));
  const terms = has(words.terms.term);
  const groups = has(words.groups.value);
  return (i) => String(map.feature[i]) === wanted || (map.label[i] !== NONE32 && terms[map.label[i]!]!) || (map.group[i] !== NONE16 && groups[map.group[i]!]!);
}

export type SortKey = "feature" | "label" | "q" | "terms" | "group" | "auroc" | "module" | "frequency" | "max";

/** Names that are tried at a place on the map, at most. */
const SUREST = 600;

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

/** Rows that pass, sorted; those without a value come last in both directions, ties by feature. */
export function sorted(map: FeatureMap, words: Words, passes: (row: number) => boolean, key: SortKey, down: boolean): number[] {
  const value = reader(key, map, words);
  const rows = Array.from({ length: map.n }, (_, i) => i).filter(passes);
  const values = new Map(rows.map((i) => [i, value(i)]));
  return rows.sort((a, b) => {
    const [x, y] = [values.get(a)!, values.get(b)!];
    const [noX, noY] = [Number.isNaN(x), Number.isNaN(y)];
    if (noX !== noY) return noX ? 1 : -1;
    const order = noX || x === y ? 0 : x < y ? -1 : 1;
    return (down ? -order : order) || map.feature[a]! - map.feature[b]!;
  });
}

/** The names of the modules in the middle of their members, where modules are looked at, then the labels of the surest features. */
export function naming(map: FeatureMap, words: Words, modules: Module[], kind: string, passes: (row: number) => boolean) {
  const largest: [name: string, rows: number[]][] = [];
  if (kind === "module") {
    const members = new Map<number, number[]>();
    for (let i = 0; i < map.n; i++) {
      if (!passes(i) || isDead(map, i) || map.module[i] === NONE16) continue;
      const own = members.get(map.module[i]!);
      if (own) own.push(i);
      else members.set(map.module[i]!, [i]);
    }
    largest.push(...[...members].sort((a, b) => b[1].length - a[1].length).map(([module, rows]): [string, number[]] => [clip(moduleName(module, modules, words), 34), rows]));
  }
  const surest = sorted(map, words, passes, "q", false).filter((i) => map.label[i] !== NONE32 && !isDead(map, i)).slice(0, SUREST);
  return (at: Placed): Name[] => [
    ...largest.map(([text, rows]) => ({ text, strong: true, x: median(rows.map((i) => at.x[i]!)), y: median(rows.map((i) => at.y[i]!)) })),
    ...surest.map((i) => ({ text: clip(mapTerm(words.terms.term[map.label[i]!] ?? ""), 34), strong: false, x: at.x[i]!, y: at.y[i]! - 10, dot: [at.x[i]!, at.y[i]!] })),
  ];
}
