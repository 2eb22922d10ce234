// What steering did: its files, and the effects of a feature beside those of its controls.
import { json, two } from "../data/store";
import type { Summary } from "../data/types";
import { absence } from "./run";

type Maybe = number | null;

export interface Readout {
  readout: string;
  what: string;
  unit: string;
  n_fit: number;
  n_test: number;
  measure: string;
  quality: Maybe;
  null_mean: Maybe;
  null_q95: Maybe;
  n_permutations: number;
  span: Maybe;
}

export interface Arm {
  arm: string;
  alpha: number;
  readout: string;
  against: string;
  n_features: number;
  chosen: Maybe;
  other: Maybe;
  difference: Maybe;
  low: Maybe;
  high: Maybe;
  p: Maybe;
  q: Maybe;
  algebraic: boolean;
}

/** What was steered in one layer. */
export interface SteeredLayer {
  layer: number;
  alphas: number[];
  /** no block follows the layer */
  algebraic: boolean;
  readouts: Readout[];
  arms: Arm[];
  n_tested: number;
  counts: Record<"on" | "off" | "matched", number>;
  n_missing: number;
  notes: Record<string, string | number | boolean | null>;
}

export type Switch = [shareCells: Maybe, early: Maybe, late: Maybe, g: Maybe, p: Maybe, q: Maybe];
type FeatureRow = [feature: number, arm: string, partner: Maybe, term: Maybe, genes: string, how: Switch | null];
export type Effect = [effect: Maybe, low: Maybe, high: Maybe, positive: Maybe, p: Maybe, q: Maybe];

/** Effects on one readout: feature by feature, alpha by alpha. */
interface Doses {
  n_cells: Maybe[];
  atom: (Effect | null)[][];
  random: (Effect | null)[][];
}

/** Genes by the number of an alpha: those that rise and those that fall. */
export type GeneChanges = [alpha: number, up: [gene: string, change: number][], down: [gene: string, change: number][]];

/** A steered feature with its controls, at every alpha. */
export interface Steered {
  feature: number;
  arm: "on" | "off";
  term: Maybe;
  genes: string;
  how: Switch | null;
  nCells: Maybe;
  atom: (Effect | null)[];
  random: (Effect | null)[];
  matched: { feature: number; term: Maybe; genes: string; nCells: Maybe; atom: (Effect | null)[] } | null;
}

const GENES_OF = 8;

/** Why a run has no such results, as a sentence. */
export const noSteering = (summary: Summary): string =>
  absence(summary, "steering") ?? "No feature was steered in this run: `cellprism steer` pushes the features that switch along an ordering of the cells, reads what early cells become, and writes the tables; then export the run again.";

export const loadSteering = (run: string) => json<SteeredLayer[]>(`runs/${run}/steer/index.jz`);

const loadFeatures = (run: string, layer: number) => json<FeatureRow[]>(`runs/${run}/steer/L${two(layer)}/features.jz`);

/** The steered features of a layer and what became of a readout, by its number. */
export async function loadSteered(run: string, layer: number, readout: number): Promise<Steered[]> {
  const [features, doses] = await Promise.all([loadFeatures(run, layer), json<Doses>(`runs/${run}/steer/L${two(layer)}/${readout}.jz`)]);
  const control = new Map(features.flatMap((row, i) => (row[1] === "matched" && row[2] !== null ? [[row[2], i] as const] : [])));
  return features.flatMap(([feature, arm, , term, genes, how], i): Steered[] => {
    if (arm !== "on" && arm !== "off") return [];
    const c = control.get(feature);
    const other = c === undefined ? null : features[c]!;
    return [{
      feature, arm, term, genes, how, nCells: doses.n_cells[i] ?? null, atom: doses.atom[i]!, random: doses.random[i]!,
      matched: other && { feature: other[0], term: other[3], genes: other[4], nCells: doses.n_cells[c!] ?? null, atom: doses.atom[c!]! },
    }];
  });
}

/** Genes that a steered feature changes most. */
export async function loadGeneChanges(run: string, layer: number, feature: number): Promise<GeneChanges[]> {
  const place = (await loadFeatures(run, layer)).findIndex((row) => row[0] === feature);
  if (place < 0) return [];
  return (await json<Record<string, GeneChanges[]>>(`runs/${run}/steer/L${two(layer)}/genes/${Math.floor(place / GENES_OF)}.jz`))[feature] ?? [];
}

/** Whether an effect is to be above (1) or below (-1) zero: towards late when what rises is amplified or what falls is weakened. */
export const expected = (arm: "on" | "off", alpha: number): number => Math.sign(alpha - 1) * (arm === "on" ? 1 : -1);

/** Where the tables of steering of a layer are. */
export const ofSteering = (table: string, layer: number) => `causal/${table}_${two(layer)}`;
