// What features do when genes are perturbed: its files.
import type { PublishedResponses } from "../components/as-published";
import { readColumns } from "../data/columns";
import { json, once, two } from "../data/store";
import type { Rate } from "../data/types";
import type { Notes, Results } from "./steering";

type Maybe = number | null;

export interface Perturbation {
  target: string;
  n_cells: number;
  n_guides: Maybe;
  n_replicates: number;
  n_control: number;
  knockdown: Maybe;
  knockdown_p: Maybe;
  responding: number;
  null_mean: Maybe;
  null_q95: Maybe;
  n_permutations: number;
}

export interface Factor {
  target: string;
  source: string;
  n_targets: number;
  n_matched: number;
  auroc: Maybe;
  p: Maybe;
  q: Maybe;
  auroc_expression: Maybe;
  p_expression: Maybe;
  q_expression: Maybe;
  power: Maybe;
  planted: Maybe;
}

/** What was tested in one layer. */
export interface RegulatedLayer {
  layer: number;
  n_perturbations: number;
  n_factors: number;
  n_features: number;
  n_tests: number;
  notes: Notes;
}

export interface Heat {
  targets: string[];
  features: [feature: number, term: Maybe, genes: string][];
  /** by perturbation, then by feature */
  t: Maybe[][];
}

export interface Regulation {
  /** those with most responding features first */
  perturbations: Perturbation[];
  factors: Factor[];
  rates: Rate[];
  heat: Heat;
}

export type Response = [
  feature: number, term: Maybe, genes: string, control: Maybe, effect: Maybe, low: Maybe, high: Maybe, t: Maybe, p: Maybe, q: Maybe,
];

/** All features of a perturbation. */
export interface Volcano {
  feature: ArrayLike<number>;
  effect: ArrayLike<number>;
  /** -log10 of p */
  p: ArrayLike<number>;
  responds: ArrayLike<number>;
}

export const Q = 0.05;
const P_STEP = 100;

/** With what an imported atlas published. */
export type Regulated = Results<RegulatedLayer> & { published: PublishedResponses | null };

export const loadRegulated = (run: string) => json<Regulated>(`runs/${run}/regulation/index.jz`);
const folder = (run: string, layer: number) => `runs/${run}/regulation/L${two(layer)}`;
export const loadRegulation = (run: string, layer: number) => json<Regulation>(`${folder(run, layer)}/all.jz`);

/** The features of a perturbation, by its number, with the smallest p first; 200 at most. */
export const loadResponses = (run: string, layer: number, i: number) => json<Response[]>(`${folder(run, layer)}/${i}.jz`);

export async function loadVolcano(run: string, layer: number, i: number): Promise<Volcano> {
  const path = `${folder(run, layer)}/${i}.bin`;
  const { columns } = await once(path, () => readColumns(path, ["feature", "effect", "p", "responds"]));
  return { feature: columns["feature"]!, effect: columns["effect"]!, p: Float32Array.from(columns["p"]!, (p) => p / P_STEP), responds: columns["responds"]! };
}

/** Where the tables of perturbations of a layer are. */
export const ofRegulation = (table: string, layer: number) => `regulation/${table}_${two(layer)}`;
