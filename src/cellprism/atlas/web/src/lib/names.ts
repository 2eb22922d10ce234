// Plain names for the metrics and rates of a run; an unknown one is shown as it is called.
import { number, percent, title } from "./format";

const rates: Record<string, string> = {
  annotated: "Annotated features",
};

export const rateTitle = (name: string) => rates[name] ?? title(name);
export const metricTitle = title;

const isShare = (name: string) => /variance|share|fraction|rate$/.test(name);

export const metricShow = (name: string, value: number | null) => (isShare(name) ? percent(value) : number(value));
