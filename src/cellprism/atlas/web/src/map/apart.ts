// What sets some features of a layer apart from its others: genes, labels and cell groups that they have more often.
import { NONE16, NONE32, type FeatureMap, type TopGenes } from "../data/columns";
import { logFactorials, upperTails } from "../lib/hypergeometric";

export interface Mark {
  /** number of the gene, term or group */
  key: number;
  /** features that have it among those chosen, and among all tested */
  chosen: number;
  all: number;
  /** log2 of observed over expected */
  effect: number;
  p: number;
  q: number;
}

export interface Marks {
  marks: Mark[];
  /** marks tested: every one that some feature has */
  family: number;
  chosen: number;
  population: number;
}

/** One-sided hypergeometric tests of every mark; Benjamini-Hochberg over all marks that some feature has. */
export function enriched(rows: Iterable<[row: number, marks: Iterable<number>]>, isChosen: (row: number) => boolean): Marks {
  const counts = new Map<number, [chosen: number, all: number]>();
  let chosen = 0;
  let population = 0;
  for (const [row, marks] of rows) {
    const own = isChosen(row);
    population++;
    if (own) chosen++;
    for (const mark of marks) {
      const count = counts.get(mark) ?? [0, 0];
      count[1]++;
      if (own) count[0]++;
      counts.set(mark, count);
    }
  }
  const log = logFactorials(population);
  const tails = new Map<number, Float64Array>();
  const tested = [...counts].map(([key, [k, all]]): Mark => {
    let tail = tails.get(all);
    if (!tail) tails.set(all, (tail = upperTails(log, population, all, chosen)));
    return { key, chosen: k, all, effect: Math.log2((k * population) / (all * chosen)), p: tail[k]!, q: 1 };
  });
  tested.sort((a, b) => a.p - b.p || b.chosen - a.chosen || a.key - b.key);
  let least = 1;
  for (let i = tested.length - 1; i >= 0; i--) tested[i]!.q = least = Math.min(least, (tested[i]!.p * tested.length) / (i + 1));
  return { marks: tested.filter((mark) => mark.chosen > 0), family: tested.length, chosen, population };
}

/** Top genes of every feature that has any; the file is in order of the features' index. */
export function* geneMarks(map: FeatureMap, top: TopGenes, nGenes: number): Generator<[number, number[]]> {
  for (let row = 0; row < map.n; row++) {
    const genes = top.genes.map((column) => column[map.feature[row]!]!).filter((gene) => gene < nGenes);
    if (genes.length) yield [row, genes];
  }
}

export function* labelMarks(map: FeatureMap, alive: (row: number) => boolean): Generator<[number, number[]]> {
  for (let row = 0; row < map.n; row++) if (alive(row)) yield [row, map.label[row] === NONE32 ? [] : [map.label[row]!]];
}

export function* groupMarks(map: FeatureMap, alive: (row: number) => boolean, group: (row: number) => number | null): Generator<[number, number[]]> {
  for (let row = 0; row < map.n; row++) {
    if (!alive(row)) continue;
    const own = group(row);
    yield [row, own === null || own === NONE16 ? [] : [own]];
  }
}
