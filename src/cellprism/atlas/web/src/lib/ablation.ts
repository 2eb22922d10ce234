// What was found by taking features away: patching, combinations, damage.
import type { PublishedPatching } from "../components/as-published";
import { readColumns } from "../data/columns";
import { json, once, two } from "../data/store";
import type { Rate, Summary } from "../data/types";
import { absence } from "./run";

type Maybe = number | null;

interface About {
  /** rows of the table, and of how many files */
  n: number;
  n_files: number;
  /** what was asked for */
  notes: { features?: string; cells?: number; each?: number; trace?: string; seed?: number; left_out?: number; permutations?: number; n_hidden?: number };
}

export interface Arm {
  metric: "loss" | "hit";
  arm: "matched" | "random";
  n_features: number;
  n_cells: number;
  n_hidden: number;
  clean: Maybe;
  chosen: Maybe;
  other: Maybe;
  difference: Maybe;
  low: Maybe;
  high: Maybe;
  p: Maybe;
  p_features: Maybe;
}

export interface Ablations {
  patching: (About & { layer: number; rates: Rate[] })[];
  combinations: (About & { name: string; n_tests: number; rates: Rate[] })[];
  damage: (About & { layer: number; arms: Arm[] })[];
  outdated: { table: Part; name: string }[];
  /** of an imported atlas */
  published: PublishedPatching | null;
}

export type Part = "patching" | "combinations" | "damage";

export interface Patched {
  feature: number;
  source: string;
  term: string;
  n_genes: number;
  n_controls: number;
  n_cells: number;
  effect: Maybe;
  low: Maybe;
  high: Maybe;
  p: Maybe;
  q: Maybe;
  logit: Maybe;
  random: Maybe;
  change_held_out: Maybe;
  change_control: Maybe;
  level_held_out: Maybe;
  level_control: Maybe;
  activation_held_out: Maybe;
  activation_control: Maybe;
  published_target: Maybe;
  published_other: Maybe;
  published_ratio: Maybe;
  published_random: Maybe;
  label: Maybe;
}

export interface Combination {
  combination: number;
  scheme: string;
  layer_a: number;
  feature_a: number;
  layer_b: number;
  feature_b: number;
  layer_c: Maybe;
  feature_c: Maybe;
  target_layer: number;
  n_cells: number;
  live: number;
  interactions: number;
  additivity: Maybe;
  low: Maybe;
  high: Maybe;
  published_ratio: Maybe;
  published_if_additive: Maybe;
  published_targets: Maybe;
  label_a: Maybe;
  label_b: Maybe;
  label_c: Maybe;
}

export interface Damaged {
  feature: number;
  arm: string;
  partner: Maybe;
  frequency: Maybe;
  n_cells: number;
  loss: Maybe;
  hit: Maybe;
  label: Maybe;
}

/** Targets of one combination, smallest q first. */
export type Targets = { n: number } & Record<"target" | "label" | "n_nonzero" | "alone" | "together" | "contrast" | "low" | "high" | "relative" | "p" | "q", ArrayLike<number>>;

export const Q = 0.05;
export const NO_LABEL = 0xffffffff;

const NOTHING: Ablations = { patching: [], combinations: [], damage: [], outdated: [], published: null };

/** What there is; nothing in an atlas of an older version. */
export const loadAblations = (run: string, { ablation }: Summary): Promise<Ablations> =>
  (ablation ? json<Ablations>(`runs/${run}/ablation/index.jz`) : Promise.resolve(NOTHING));

async function loadRows<T>(folder: string, { n_files }: About): Promise<T[]> {
  const files = await Promise.all(Array.from({ length: n_files }, (_, i) => json<{ columns: string[]; rows: unknown[][] }>(`${folder}/${i}.jz`)));
  return files.flatMap(({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])) as T));
}

export const loadPatched = (run: string, about: Ablations["patching"][number]) => loadRows<Patched>(`runs/${run}/ablation/patching/L${two(about.layer)}`, about);
export const loadCombinations = (run: string, about: Ablations["combinations"][number]) => loadRows<Combination>(`runs/${run}/ablation/combinations/${about.name}`, about);
export const loadDamaged = (run: string, about: Ablations["damage"][number]) => loadRows<Damaged>(`runs/${run}/ablation/damage/L${two(about.layer)}`, about);

const TARGET_COLUMNS = ["target", "label", "n_nonzero", "alone", "together", "contrast", "low", "high", "relative", "p", "q"];

/** None for a combination that changes no target. */
export async function loadTargets(run: string, name: string, { combination, live }: Combination): Promise<Targets> {
  if (!live) return { n: 0, ...Object.fromEntries(TARGET_COLUMNS.map((column) => [column, []])) } as unknown as Targets;
  const path = `runs/${run}/ablation/interactions/${name}/${combination}.bin`;
  const { n, columns } = await once(path, () => readColumns(path, TARGET_COLUMNS));
  return { n, ...columns } as unknown as Targets;
}

/** Layer, feature and label of each part of a combination. */
export const partsOf = (c: Combination): [layer: number, feature: number, label: Maybe][] =>
  ([[c.layer_a, c.feature_a, c.label_a], [c.layer_b, c.feature_b, c.label_b], [c.layer_c, c.feature_c, c.label_c]] as [Maybe, Maybe, Maybe][])
    .filter((part): part is [number, number, Maybe] => part[0] !== null && part[1] !== null);

const COMMANDS: Record<Part, (layer: number) => string> = {
  patching: (layer) => `cellprism patch RUN --layer ${layer}`,
  combinations: (layer) => `cellprism interact RUN --layers ${layer},${layer}`,
  damage: (layer) => `cellprism damage RUN --layer ${layer} --features top:20`,
};
const LACKING: Record<Part, string> = {
  patching: "No feature of this run was held to the hidden genes of its term.",
  combinations: "No features of this run were taken away together.",
  damage: "How much worse hidden genes are guessed without features was not measured in this run.",
};

/** Why a part of the page is empty, and the command that fills it; null for runs that no command can fill. */
export function whyEmpty(summary: Summary, part: Part, { outdated }: Ablations): { why: string; command: string | null } {
  const imported = absence(summary, part);
  if (imported || summary.model.kind === "published atlas") return { why: imported ?? "The published atlas has no such measurements, and no model or cells to make them with.", command: null };
  const layer = summary.layers.at(Math.max(0, Math.floor(summary.layers.length / 2) - 1))?.layer ?? 0;
  const old = outdated.some(({ table }) => table === part);
  return { why: old ? "What was measured rests on a model, cells or autoencoders that the run has no more." : LACKING[part], command: COMMANDS[part](layer) };
}

/** In what scores of hidden genes are measured. */
export const scoreUnit = ({ model }: Summary) => (model.kind === "scgpt" ? "bins" : "nats");

export { signed } from "./format";
