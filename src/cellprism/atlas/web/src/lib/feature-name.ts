// What a feature is called in a list: its label, or its first genes.
import { mapTerm } from "./format";
import type { Words } from "./run";

interface Called {
  term: number | null;
  genes: string;
}

export const featureName = ({ terms }: Words, { term, genes }: Called): string =>
  (term === null ? genes || "not annotated" : mapTerm(terms.term[term] ?? ""));
