// Features across layers: what the files of the flow hold.
import { readColumns } from "../data/columns";
import { json, once, two } from "../data/store";

export interface FlowPair {
  from: number;
  to: number;
  /** pairs of features */
  n: number;
  n_features: number;
  n_partners: number;
  n_files: number;
}

export interface Flow {
  /** `born[i]`: features without a match before; `reach[i][j]`: features of the i-th layer that last to the j-th */
  lasting: { born: number[]; reach: number[][] } | null;
  n_chains: number;
  n_files: number;
  pairs: FlowPair[];
}

export type Chain = [firstLayer: number, features: number[], cosines: number[], terms: (number | null)[]];

/** Of one feature: `[feature, partner, positions, pmi, q, term, partner's term]`. */
export type Highway = [
  feature: number, partner: number, count: number | null, pmi: number | null, q: number | null, term: number | null, partnerTerm: number | null,
];

export interface PairFile {
  links: [from: number, to: number, n: number][];
  strongest: Highway[];
}

export const OTHERS = -1;
export const NOWHERE = -2;
const ROWS = 2048;
const NOTHING = 0xffffffff;

export const loadFlow = (run: string) => json<Flow>(`runs/${run}/flow/index.jz`);
export const loadChains = (run: string, file: number) => json<Chain[]>(`runs/${run}/flow/chains/${file}.jz`);
const stem = (run: string, { from, to }: FlowPair) => `runs/${run}/flow/L${two(from)}-L${two(to)}`;
export const loadPair = (run: string, pair: FlowPair) => json<PairFile>(`${stem(run, pair)}.jz`);

/** The rows from `start` to `start + n` of a pair of layers. */
export async function loadHighways(run: string, pair: FlowPair, start: number, n: number): Promise<Highway[]> {
  const files = Array.from({ length: pair.n_files }, (_, i) => i).filter((i) => i * ROWS < start + n && (i + 1) * ROWS > start);
  const parts = await Promise.all(files.map((i) => {
    const path = `${stem(run, pair)}/${i}.bin`;
    return once(path, () => readColumns(path, ["feature", "partner", "count", "pmi", "q", "term", "partner_term"]));
  }));
  const maybe = (value: number) => (value === NOTHING || Number.isNaN(value) ? null : value);
  const rows = parts.flatMap(({ n, columns: c }) => Array.from({ length: n }, (_, i): Highway => [
    c["feature"]![i]!, c["partner"]![i]!, maybe(c["count"]![i]!), maybe(c["pmi"]![i]!), maybe(c["q"]![i]!), maybe(c["term"]![i]!), maybe(c["partner_term"]![i]!),
  ]));
  const first = (files[0] ?? 0) * ROWS;
  return rows.slice(start - first, start - first + n);
}
