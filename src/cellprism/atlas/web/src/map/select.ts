// Which features are shown, in what order, and which names belong on the map.
import { NONE16, NONE32, type FeatureMap } from "../data/columns";
import type { Module } from "../data/types";
import { clip, shortTerm } from "../lib/format";
import type { Words } from "../lib/run";
import { isDead, moduleName, type Colouring, type Mode } from "./colouring";
import { median, type Name } from "./labels";
import type { Placed } from "./view";

/** 1 for the rows whose label or cell group contains `text` and whose category is `pick`. */
export function passing(map: FeatureMap, words: Words, text: string, pick: string, keys: string[] | null): Uint8Array {
  const wanted = text.trim().toLowerCase();
  const has = (strings: string[]) => strings.map((s) => s.toLowerCase().includes(wanted));
  const terms = has(words.terms.term);
  const groups = has(words.groups.value);
  return Uint8Array.from({ length: map.n }, (_, i) => {
    if (pick && keys && keys[i] !== pick) return 0;
    if (!wanted || String(map.feature[i]) === wanted) return 1;
    return (map.label[i] !== NONE32 && terms[map.label[i]!]) || (map.group[i] !== NONE16 && groups[map.group[i]!]) ? 1 : 0;
  });
}

export type SortKey = "feature" | "label" | "q" | "terms" | "group" | "auroc" | "module" | "frequency" | "max";

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
export function sorted(map: FeatureMap, words: Words, passes: Uint8Array, key: SortKey, down: boolean): number[] {
  const value = reader(key, map, words);
  const rows = Array.from({ length: map.n }, (_, i) => i).filter((i) => passes[i]);
  const values = new Map(rows.map((i) => [i, value(i)]));
  return rows.sort((a, b) => {
    const [x, y] = [values.get(a)!, values.get(b)!];
    const [noX, noY] = [Number.isNaN(x), Number.isNaN(y)];
    if (noX !== noY) return noX ? 1 : -1;
    const order = noX || x === y ? 0 : x < y ? -1 : 1;
    return (down ? -order : order) || map.feature[a]! - map.feature[b]!;
  });
}

/** Modules by name in the middle of their members, or else the labels of the surest features. */
export function naming(map: FeatureMap, words: Words, modules: Module[], mode: Mode, passes: Uint8Array, colours: Colouring) {
  const rows = Array.from({ length: map.n }, (_, i) => i).filter((i) => passes[i] && !isDead(map, i));
  if (mode === "module" && colours.keys) {
    const members = new Map<string, number[]>();
    for (const i of rows) {
      if (map.module[i] === NONE16) continue;
      const key = colours.keys[i]!;
      members.set(key, [...(members.get(key) ?? []), i]);
    }
    const largest = [...members].sort((a, b) => b[1].length - a[1].length);
    return (at: Placed): Name[] => largest.map(([key, own]) => ({
      text: clip(moduleName(Number(key), modules, words), 34),
      x: median(own.map((i) => at.x[i]!)),
      y: median(own.map((i) => at.y[i]!)),
    }));
  }
  const surest = sorted(map, words, passes, "q", false).filter((i) => map.label[i] !== NONE32 && !isDead(map, i));
  return (at: Placed): Name[] => surest.map((i) => ({
    text: clip(shortTerm(words.terms.term[map.label[i]!] ?? ""), 34),
    x: at.x[i]!,
    y: at.y[i]! - 10,
  }));
}
