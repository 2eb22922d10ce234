// Finding a gene by symbol or identifier: exact, then beginning, then anywhere.
import type { Symbols } from "../data/types";

const lowered = new WeakMap<Symbols, [symbols: string[], ids: string[]]>();

/** Symbols and, where they are there, identifiers in small letters, made once. */
function small(genes: Symbols): [string[], string[]] {
  let found = lowered.get(genes);
  if (!found) {
    const symbols = genes.symbol.map((name) => name.toLowerCase());
    lowered.set(genes, (found = [symbols, genes.id?.map((name) => name.toLowerCase()) ?? symbols]));
  }
  return found;
}

export function searchGenes(genes: Symbols, text: string, most: number): number[] {
  const wanted = text.toLowerCase();
  const [symbols, ids] = small(genes);
  const ranks: number[][] = [[], [], [], []];
  for (let gene = 0; gene < symbols.length; gene++) {
    const [name, id] = [symbols[gene]!, ids[gene]!];
    const rank = name === wanted || id === wanted ? 0 : name.startsWith(wanted) ? 1 : id.startsWith(wanted) ? 2 : name.includes(wanted) || id.includes(wanted) ? 3 : -1;
    if (rank >= 0) ranks[rank]!.push(gene);
  }
  const found: number[] = [];
  for (const own of ranks) {
    if (found.length >= most) break;
    found.push(...own.sort((a, b) => symbols[a]!.length - symbols[b]!.length || a - b).slice(0, most - found.length));
  }
  return found;
}

/** An Ensembl id without its version; any other name as it is. */
export const withoutVersion = (name: string): string => (/^ENS/i.test(name) ? name.replace(/\.\d+$/, "") : name);

export function findGene(genes: Symbols, text: string): number | null {
  const wanted = withoutVersion(text).toLowerCase();
  const [symbols, ids] = small(genes);
  const found = symbols.findIndex((symbol, i) => symbol === wanted || ids[i] === wanted);
  return found < 0 ? null : found;
}
