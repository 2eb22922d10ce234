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

/** What the command that made the tables says of itself. */
export type Notes = Record<string, unknown>;

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
  notes: Notes;
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

/** The layers that have results, and those whose results the run has outgrown. */
export interface Results<Layer> {
  layers: Layer[];
  outdated: number[];
}

/** Why a run has no such results, in sentences. */
export function whyNone(summary: Summary, table: string, otherwise: string, outdated: number[]): string {
  const imported = absence(summary, table);
  if (imported || summary.model.kind === "published atlas") return imported ?? "The published atlas has no such measurements, and no model or cells to make them with.";
  return outdated.length ? "What was measured rests on a model, cells or autoencoders that the run has no more." : otherwise;
}

export const loadSteering = (run: string) => json<Results<SteeredLayer>>(`runs/${run}/steer/index.jz`);

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
export const expected = (arm: "on" | "off", alpha: number, { span }: Readout): number => Math.sign(alpha - 1) * (arm === "on" ? 1 : -1) * ((span ?? 1) < 0 ? -1 : 1);

/** Where the tables of steering of a layer are. */
export const ofSteering = (table: string, layer: number) => `causal/${table}_${two(layer)}`;
