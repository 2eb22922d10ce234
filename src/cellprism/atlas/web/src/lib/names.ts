// Plain names for the metrics and rates of a run; an unknown one is shown as it is called.
import { number, percent, title } from "./format";

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

export const metricTitle = title;

const isShare = (name: string) => /variance|share|fraction|rate$/.test(name);

export const metricShow = (name: string, value: number | null) => (isShare(name) ? percent(value) : number(value));
