// Features of two layers, of one run or of two, matched by the top genes that they share.
import type { TopGenes } from "../data/columns";
import type { Genes } from "../data/types";
import { logFactorials, upperTails } from "./hypergeometric";

export interface Side {
  top: TopGenes;
  genes: Genes;
  /** positions at which a gene must be seen to become a top gene; null where that is not known */
  minSeen: number | null;
}

/** The top genes of each feature under numbers that both sides share; genes that only one side could have are left out. */
export interface Common {
  /** genes that could be a top gene on both sides */
  background: number;
  symbols: string[];
  a: number[][];
  b: number[][];
}

function possible({ top, genes, minSeen }: Side): Set<string> {
  const named = (gene: number) => genes.symbol[gene]!.toUpperCase();
  if (minSeen !== null) return new Set(genes.symbol.flatMap((_, gene) => ((genes.n_seen[gene] ?? 0) >= minSeen ? [named(gene)] : [])));
  return new Set(top.genes.flatMap((column) => Array.from(column).filter((gene) => gene < genes.symbol.length).map(named)));
}

export function common(a: Side, b: Side): Common {
  const [first, second] = [possible(a), possible(b)];
  const symbols = [...first].filter((symbol) => second.has(symbol)).sort();
  const numbers = new Map(symbols.map((symbol, i) => [symbol, i]));
  const lists = ({ top, genes }: Side) => {
    const shared = genes.symbol.map((symbol) => numbers.get(symbol.toUpperCase()));
    return Array.from({ length: top.n }, (_, feature) =>
      [...new Set(top.genes.flatMap((column) => shared[column[feature]!] ?? []))]);
  };
  return { background: symbols.length, symbols, a: lists(a), b: lists(b) };
}

export interface Match {
  a: number;
  b: number;
  overlap: number;
  p: number;
  q: number;
}

export interface Matching {
  /** mutual best partners at q below the level, smallest p first */
  matches: Match[];
  /** features that have top genes among the common ones */
  nA: number;
  nB: number;
}

export const LEVEL = 0.05;

interface Best {
  partner: number;
  overlap: number;
  p: number;
}

/**
 * One-sided hypergeometric tests of every pair of features, Benjamini-Hochberg over all pairs. A match is a pair of which each is the other's
 * partner of smallest p (then of smallest number), at q below the level.
 */
export function matching({ background, a, b }: Pick<Common, "background" | "a" | "b">): Matching {
  const log = logFactorials(background);
  const tables = new Map<number, Float64Array>();
  const tail = (na: number, nb: number) => {
    const key = na * 4096 + nb;
    let table = tables.get(key);
    if (!table) tables.set(key, (table = upperTails(log, background, na, nb)));
    return table;
  };
  const holders: number[][] = Array.from({ length: background }, () => []);
  b.forEach((genes, feature) => genes.forEach((gene) => holders[gene]!.push(feature)));
  const bestA: (Best | undefined)[] = [];
  const bestB: (Best | undefined)[] = [];
  const better = (p: number, partner: number, old: Best | undefined) => !old || p < old.p || (p === old.p && partner < old.partner);
  const overlaps = new Uint16Array(b.length);
  const ps: number[] = [];
  a.forEach((genes, i) => {
    const touched: number[] = [];
    for (const gene of genes) for (const j of holders[gene]!) if (overlaps[j]!++ === 0) touched.push(j);
    for (const j of touched) {
      const overlap = overlaps[j]!;
      overlaps[j] = 0;
      const p = tail(genes.length, b[j]!.length)[overlap]!;
      ps.push(p);
      if (better(p, j, bestA[i])) bestA[i] = { partner: j, overlap, p };
      if (better(p, i, bestB[j])) bestB[j] = { partner: i, overlap, p };
    }
  });
  const nA = a.filter((genes) => genes.length).length;
  const nB = b.filter((genes) => genes.length).length;
  const sorted = Float64Array.from(ps).sort();
  const q = (p: number) => least[lastAt(sorted, p)]!;
  const least = new Float64Array(sorted.length);
  let running = 1; // pairs that share nothing have p = 1 and cannot lower another's q
  for (let i = sorted.length - 1; i >= 0; i--) least[i] = running = Math.min(running, (sorted[i]! * nA * nB) / (i + 1));
  const matches = bestA.flatMap((best, i): Match[] => {
    if (!best || bestB[best.partner]?.partner !== i) return [];
    const found = { a: i, b: best.partner, overlap: best.overlap, p: best.p, q: q(best.p) };
    return found.q < LEVEL ? [found] : [];
  });
  return { matches: matches.sort((x, y) => x.p - y.p || x.a - y.a), nA, nB };
}

/** Place of the last value that is not above `value`. */
function lastAt(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sorted[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Numbers in [0, 1) that are the same every time (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Genes shuffled between features: every gene stays as common and every feature as long, but for genes that would come twice. */
export function shuffled(lists: number[][], seed: number): number[][] {
  const next = random(seed);
  const all = lists.flat();
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  let start = 0;
  return lists.map(({ length }) => [...new Set(all.slice(start, (start += length)))]);
}

export const SHUFFLES = 20;

/** Matches under the null, shuffle by shuffle; gives way to the page between them. */
export async function nullMatches(pairs: Pick<Common, "background" | "a" | "b">, stopped: () => boolean): Promise<number[]> {
  const counts: number[] = [];
  for (let seed = 0; seed < SHUFFLES && !stopped(); seed++) {
    await new Promise((resolve) => setTimeout(resolve));
    counts.push(matching({ ...pairs, b: shuffled(pairs.b, seed) }).matches.length);
  }
  return counts;
}
