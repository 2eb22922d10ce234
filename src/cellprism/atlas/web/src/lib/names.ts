// Plain names for the metrics and rates of a run; an unknown one is shown as it is called.
import type { Rate } from "../data/types";
import { number, percent, share, title } from "./format";

const rates: Record<string, string> = {
  annotated: "Annotated features",
  cell_type: "Features of a cell group",
  in_module: "Features in a module",
  cofiring: "Pairs that fire together",
  linked: "Features with linked top genes",
  highway: "Features with a partner in the next layer",
  highway_to: "Features with a partner in layer",
  same_atom: "Features found again with other seeds, by atom",
  same_firings: "Features found again with other seeds, by firings",
  annotated_by_rank: "Annotated features, by the rank of genes",
  in_gene_cluster: "Features in a cluster of genes",
  goes_on: "Features matched in the next layer",
  aligned: "Features along a principal axis",
  static: "Features that are a cluster of genes",
  variance_by_gene: "Activation variance by gene alone",
  company: "Unlabelled features in labelled company",
  carries_term: "Features that carry their term",
  specific: "Features called specific, as published",
  interacting: "Targets that interact",
};

const metrics: Record<string, string> = {
  mean_active: "Active features at a position",
  silent_on_held_out: "Features silent on held-out cells",
  rare_on_held_out: "Features rare on held-out cells",
  largest_cosine: "Largest cosine with another atom",
  masked_gene_loss: "Masked-gene loss of the model",
  masked_gene_loss_spliced: "Masked-gene loss with the autoencoder spliced in",
  masked_gene_loss_mean_ablated: "Masked-gene loss with the layer's mean instead",
};

/** `annotated:KEGG` is the rate within one library. */
export function rateTitle(name: string): string {
  const [base = "", part] = name.split(":");
  return (rates[base] ?? title(base)) + (part ? `${base === "highway_to" ? "" : ","} ${part}` : "");
}

/** "feature" and "pair of features" in the plural. */
export const units = (unit: string) => (/^pair of /.test(unit) ? unit.replace("pair", "pairs") : `${unit}s`);

/** What the null of a rate gave, so that a null of nothing does not read like a number with two digits. */
export function nullPhrase({ null_mean, null_q95, n, n_permutations }: Rate): string {
  if (null_mean === null) return "no null was published";
  if (n_permutations === 0) return null_mean < 1e-4 ? "null: practically none, by calculation" : `null ${share(null_mean)}, by calculation`;
  if (null_mean === 0) return `null: none in any of ${n_permutations} shuffles`;
  const together = Math.round(null_mean * (n ?? Infinity) * (n_permutations ?? 0));
  if (together <= 20) return `null: ${together} in all ${n_permutations} shuffles`;
  return `null ${share(null_mean)}, ${null_q95 === 0 ? "none in 95 % of shuffles" : `95 % of shuffles below ${share(null_q95)}`}`;
}

/** The least and the largest of some shares, as a range. */
export function span(values: (number | null | undefined)[]): string | null {
  const known = values.filter((value): value is number => typeof value === "number");
  if (!known.length) return null;
  const digits = Math.max(...known) < 0.1 ? 1 : 0;
  const [low, high] = [Math.min(...known), Math.max(...known)].map((value) => (100 * value).toFixed(digits));
  return low === high ? `${low}\u00a0%` : `${low}–${high}\u00a0%`;
}

/** What the null of a rate gave in several layers. */
export function nullSpan(rates: (Rate | undefined)[]): string {
  const known = rates.filter((rate): rate is Rate => rate !== undefined && rate.null_mean !== null);
  const first = known[0];
  if (!first) return "no null was published";
  const most = Math.max(...known.map(({ null_mean }) => null_mean ?? 0));
  if (most < 1e-4) return nullPhrase(first);
  return most < 1e-3 ? "null below 0.1\u00a0%" : `null ${span(known.map(({ null_mean }) => null_mean))}`;
}

export const metricTitle = (name: string): string => metrics[name] ?? title(name);

const isShare = (name: string) => /variance|share|fraction|rate$|recovered|held_out$/.test(name);

export const metricShow = (name: string, value: number | null) => (isShare(name) ? percent(value) : number(value));
