// Finding a gene by symbol or identifier: exact, then beginning, then anywhere.
import type { Genes } from "../data/types";

export function searchGenes(genes: Genes, text: string, most: number): number[] {
  const wanted = text.toLowerCase();
  const ranked: [rank: number, gene: number][] = [];
  genes.symbol.forEach((symbol, gene) => {
    const name = symbol.toLowerCase();
    const id = (genes.id[gene] ?? "").toLowerCase();
    const rank = name === wanted || id === wanted ? 0 : name.startsWith(wanted) ? 1 : id.startsWith(wanted) ? 2 : name.includes(wanted) || id.includes(wanted) ? 3 : -1;
    if (rank >= 0) ranked.push([rank, gene]);
  });
  ranked.sort((a, b) => a[0] - b[0] || genes.symbol[a[1]]!.length - genes.symbol[b[1]]!.length || a[1] - b[1]);
  return ranked.slice(0, most).map(([, gene]) => gene);
}

export function findGene(genes: Genes, text: string): number | null {
  const wanted = text.toLowerCase();
  const found = genes.symbol.findIndex((symbol, i) => symbol.toLowerCase() === wanted || genes.id[i]?.toLowerCase() === wanted);
  return found < 0 ? null : found;
}
