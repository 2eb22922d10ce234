// Every file is asked for once; a failed request may be tried again.
import { readColumns, readFeatureMap, readMini, readTopGenes, withRest, type FeatureMap, type TopGenes } from "./columns";
import { DataError, readJson } from "./read";
import type { AtlasIndex, Feature, GeneHit, GeneNames, Genes, GroupHit, Groups, MatrixCell, Module, NamedGenes, Summary, Symbols, Tables, TermRecord, Terms } from "./types";

const FORMAT = 1;
const SHARD = 32;
const cache = new Map<string, Promise<unknown>>();

export function once<T>(key: string, load: () => Promise<T>): Promise<T> {
  const known = cache.get(key);
  if (known) return known as Promise<T>;
  const fresh = load();
  cache.set(key, fresh);
  fresh.catch(() => cache.delete(key));
  return fresh;
}

export const json = <T>(path: string) => once(path, () => readJson<T>(path));
export const two = (n: number) => String(n).padStart(2, "0");

export async function loadAtlas(): Promise<AtlasIndex> {
  const atlas = await json<AtlasIndex>("atlas.json");
  if (!(atlas.format <= FORMAT)) {
    throw new DataError(
      `This atlas has format ${atlas.format}, written by ${atlas.generator}; these pages read format ${FORMAT}. ` +
        "Open it with the pages that came with it, or export its runs again with this version.",
    );
  }
  return atlas;
}

export const loadSummary = (run: string) => json<Summary>(`runs/${run}/summary.jz`);
export const loadGenes = (run: string) => json<Genes>(`runs/${run}/dict/genes.jz`);

/** What can be searched first: the symbols of all genes, of which identifiers and counts are a second and larger file. */
export async function loadSymbols(run: string): Promise<Symbols> {
  const { files } = await loadSummary(run);
  return files.symbols ? json<Symbols>(`runs/${run}/dict/symbols.jz`) : loadGenes(run);
}

export const loadTerms = (run: string) => json<Terms>(`runs/${run}/dict/terms.jz`);
export const loadGroups = (run: string) => json<Groups>(`runs/${run}/dict/groups.jz`);
export const loadModules = (run: string, layer: number) => json<Module[]>(`runs/${run}/modules/L${two(layer)}.jz`);

export const loadTables = (run: string) => json<Tables>(`runs/${run}/tables.jz`);
export const loadGroupHits = (run: string, group: number) => json<GroupHit[]>(`runs/${run}/groups/${group}.jz`);
export const loadMatrix = (run: string) => json<MatrixCell[][]>(`runs/${run}/groups/matrix.jz`);

const joined = new Map<string, FeatureMap>();
const firstPiece = (run: string, layer: number) => {
  const path = `runs/${run}/map/L${two(layer)}.bin`;
  return once(path, () => readFeatureMap(path));
};

/** What can be shown first of a layer's map: all that is there already, or else of a large layer a random sample. */
export const loadFirst = async (run: string, layer: number): Promise<FeatureMap> => joined.get(`${run} ${layer}`) ?? firstPiece(run, layer);

/** The map of a layer, its pieces put together. */
export async function loadMap(run: string, layer: number): Promise<FeatureMap> {
  const [first, { layers }] = await Promise.all([firstPiece(run, layer), loadSummary(run)]);
  const all = layers.find((about) => about.layer === layer)?.n_features ?? first.n;
  if (first.n >= all) return first;
  const path = `runs/${run}/map/L${two(layer)}-rest.bin`;
  return once(path, async () => {
    const map = await withRest(first, path);
    joined.set(`${run} ${layer}`, map);
    return map;
  });
}

export function loadMini(run: string, layer: number): Promise<FeatureMap> {
  const path = `runs/${run}/mini/L${two(layer)}.bin`;
  return once(path, () => readMini(path));
}

/** One more number of all features of a layer, in the order of its map. */
export async function loadNumbers(run: string, layer: number, name: string): Promise<Float32Array> {
  const path = `runs/${run}/cols/L${two(layer)}/${name}.bin`;
  return (await once(path, () => readColumns(path, [name]))).columns[name] as Float32Array;
}

export async function loadTopGenes(run: string, layers: number[]): Promise<Map<number, TopGenes>> {
  const load = (path: string) => once(path, () => readTopGenes(path));
  const tops = await Promise.all(layers.map((layer) => load(`runs/${run}/top/L${two(layer)}.bin`)));
  return new Map(layers.map((layer, i) => [layer, tops[i]!]));
}

export const geneNames = (genes: NamedGenes): GeneNames => ({
  symbol: Object.fromEntries(Object.entries(genes).map(([gene, [symbol]]) => [gene, symbol])),
  id: Object.fromEntries(Object.entries(genes).map(([gene, [symbol, id]]) => [gene, id ?? symbol])),
});

const featureShard = (run: string, layer: number, feature: number) =>
  json<Record<string, Feature> & { genes: NamedGenes }>(`runs/${run}/feat/L${two(layer)}/${Math.floor(feature / SHARD)}.jz`);

export async function loadFeature(run: string, layer: number, feature: number): Promise<Feature> {
  const found = (await featureShard(run, layer, feature))[feature];
  if (!found) throw new DataError(`Layer ${layer} has no feature ${feature}.`);
  return found;
}

/** Names of the genes that a feature mentions: they come in its own file. */
export const loadFeatureGenes = async (run: string, layer: number, feature: number) => geneNames((await featureShard(run, layer, feature)).genes);

/** The file among those over which a run's genes or terms are spread. */
async function spread(run: string, folder: "gene" | "term", i: number): Promise<string> {
  const { files } = await loadSummary(run);
  return `runs/${run}/${folder}/${(i % files[folder]).toString(16).padStart(2, "0")}.jz`;
}

export interface GeneRecord {
  id: string;
  n_seen: number | null;
  hits: GeneHit[];
}

/** One gene: what it is, and the features of which it is a top gene. */
export async function loadGene(run: string, gene: number): Promise<GeneRecord> {
  const { genes, ...file } = await json<Record<string, GeneHit[]> & { genes?: Record<string, [symbol: string, id: string, nSeen: number | null]> }>(await spread(run, "gene", gene));
  const hits = file[gene] ?? [];
  const own = genes?.[gene];
  if (own) return { id: own[1], n_seen: own[2], hits };
  const all = await loadGenes(run); // an atlas of an older version
  return { id: all.id[gene]!, n_seen: all.n_seen[gene] ?? null, hits };
}

export async function loadTerm(run: string, term: number): Promise<TermRecord> {
  return (await json<Record<string, TermRecord>>(await spread(run, "term", term)))[term] ?? { n: 0, layers: [], rows: [] };
}
