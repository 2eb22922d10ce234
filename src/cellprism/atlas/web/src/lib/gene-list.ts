// A pasted gene list: which genes it names, and which features have more of them among their top genes than chance.
import type { TopGenes } from "../data/columns";
import type { Genes } from "../data/types";
import { withoutVersion } from "./gene-search";
import { logFactorials, upperTails } from "./hypergeometric";

/** The names in a text, whatever separates them, each once. */
export function namesIn(text: string): string[] {
  const names = new Map<string, string>();
  for (const name of text.split(/[\s,;|"'`()[\]{}<>]+/)) {
    if (name && !names.has(name.toUpperCase())) names.set(name.toUpperCase(), name);
  }
  return [...names.values()];
}

export interface Matched {
  /** genes of the list within the background */
  genes: number[];
  /** names that are another name of a gene of the run, and its symbol */
  read: [name: string, symbol: string][];
  /** names of genes that were seen too seldom to be in the background */
  seldom: string[];
  unknown: string[];
  /** genes seen often enough to become a top gene; where that is not known, genes that are one somewhere */
  background: number;
}

/** Look names up by symbol or identifier in any case, then among `others`; a symbol of several genes means the first. */
export function matchGenes(names: string[], genes: Genes, minSeen: number | null, others: Map<string, number>): Matched {
  const known = new Map<string, number>();
  for (const column of [genes.id, genes.symbol]) {
    column.forEach((name, gene) => known.has(name.toUpperCase()) || known.set(name.toUpperCase(), gene));
  }
  const enough = (gene: number) => minSeen === null || (genes.n_seen[gene] ?? 0) >= minSeen;
  const found = new Set<number>();
  const matched: Matched = { genes: [], read: [], seldom: [], unknown: [], background: genes.n_seen.filter((_, gene) => enough(gene)).length };
  for (const name of names) {
    const upper = name.toUpperCase();
    const own = known.get(upper) ?? known.get(withoutVersion(upper));
    const gene = own ?? others.get(upper);
    if (own === undefined && gene !== undefined) matched.read.push([name, genes.symbol[gene]!]);
    if (gene === undefined) matched.unknown.push(name);
    else if (!enough(gene)) matched.seldom.push(name);
    else found.add(gene);
  }
  matched.genes = [...found];
  return matched;
}

export interface Hit {
  layer: number;
  feature: number;
  /** term and group as in the layer's columns */
  label: number;
  group: number;
  /** top genes on the list */
  overlap: number;
  /** top genes of the feature */
  n: number;
  /** log2 of observed over expected overlap */
  effect: number;
  p: number;
  q: number;
}

export interface Ranking {
  /** features that share a gene with the list, smallest p first */
  hits: Hit[];
  /** the genes that a feature shares with the list, in order of rank */
  shared: (hit: Hit) => number[];
  /** features tested: those that have top genes */
  family: number;
}

/** One-sided hypergeometric tests of every feature, Benjamini-Hochberg over all of them. */
export function rankFeatures(tops: Map<number, TopGenes>, matched: Matched, nGenes: number): Ranking {
  const { genes: list, background } = matched;
  const listed = new Uint8Array(nGenes + 1);
  for (const gene of list) listed[gene] = 1;
  const log = logFactorials(background);
  const tails = new Map<number, Float64Array>();
  const hits: Hit[] = [];
  let family = 0;
  for (const [layer, { n, genes, label, group }] of tops) {
    for (let feature = 0; feature < n; feature++) {
      let drawn = 0;
      let overlap = 0;
      for (const column of genes) {
        const gene = column[feature]!;
        if (gene >= nGenes) continue; // no gene of this rank
        drawn++;
        overlap += listed[gene]!;
      }
      if (drawn) family++;
      if (!overlap) continue;
      let tail = tails.get(drawn);
      if (!tail) tails.set(drawn, (tail = upperTails(log, background, list.length, drawn)));
      hits.push({
        layer, feature, label: label[feature]!, group: group[feature]!, overlap, n: drawn,
        effect: Math.log2((overlap * background) / (drawn * list.length)), p: tail[overlap]!, q: 1,
      });
    }
  }
  hits.sort((a, b) => a.p - b.p || b.overlap - a.overlap || a.layer - b.layer || a.feature - b.feature);
  let least = 1; // features that share nothing have p = 1 and cannot lower another's q
  for (let i = hits.length - 1; i >= 0; i--) hits[i]!.q = least = Math.min(least, (hits[i]!.p * family) / (i + 1));
  const shared = ({ layer, feature }: Hit) => tops.get(layer)!.genes.map((column) => column[feature]!).filter((gene) => gene < nGenes && listed[gene]);
  return { hits, shared, family };
}
