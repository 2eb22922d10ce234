// Other names of genes: which gene of the run a name means, or which gene it would be.
import { json, loadSummary } from "../data/store";

export type OtherName = [gene: number | null, symbol: string, kind: string];

/** FNV-1a of the UTF-16 code units. */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}

/** What a name may mean beside the symbols and identifiers of the run's genes. */
export async function otherNames(run: string, name: string): Promise<OtherName[]> {
  const { files } = await loadSummary(run);
  const upper = name.toUpperCase();
  if (!files.name) return [];
  const file = (hash(upper) % files.name).toString(16).padStart(2, "0");
  return (await json<Record<string, OtherName[]>>(`runs/${run}/dict/name/${file}.jz`))[upper] ?? [];
}

/** Names to genes of the run, where a name means one of them; keys in capitals. */
export async function otherGenes(run: string, names: string[]): Promise<Map<string, number>> {
  const found = await Promise.all(names.map(async (name) => [name.toUpperCase(), (await otherNames(run, name)).flatMap(([gene]) => (gene === null ? [] : [gene]))] as const));
  return new Map(found.flatMap(([name, genes]) => (genes.length === 1 ? [[name, genes[0]!]] : [])));
}
