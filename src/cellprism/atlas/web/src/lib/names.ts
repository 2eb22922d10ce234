// Plain names for the metrics and rates of a run; an unknown one is shown as it is called.
import type { Rate } from "../data/types";
import { number, percent, share, title } from "./format";

const rates: Record<string, string> = {
  annotated: "Annotated features",
  cell_type: "Features of a cell group",
  in_module: "Features in a module",
  cofiring: "Pairs that fire together",
};

/** `annotated:KEGG` is the rate within one library. */
export function rateTitle(name: string): string {
  const [base = "", part] = name.split(":");
  return (rates[base] ?? title(base)) + (part ? `, ${part}` : "");
}

/** "feature" and "pair of features" in the plural. */
export const units = (unit: string) => (/^pair of /.test(unit) ? unit.replace("pair", "pairs") : `${unit}s`);

/** What the null of a rate gave, so that a null of nothing does not read like a number with two digits. */
export function nullPhrase({ null_mean, null_q95, n, n_permutations }: Rate): string {
  if (null_mean === null) return "no null was published";
  if (null_mean === 0) return `null: none in any of ${n_permutations} shuffles`;
  const together = Math.round(null_mean * (n ?? Infinity) * (n_permutations ?? 0));
  if (together <= 20) return `null: ${together} in ${n_permutations} shuffles together`;
  return `null ${share(null_mean)}, 95 % of shuffles below ${share(null_q95)}`;
}

export const metricTitle = title;

const isShare = (name: string) => /variance|share|fraction|rate$/.test(name);

export const metricShow = (name: string, value: number | null) => (isShare(name) ? percent(value) : number(value));
