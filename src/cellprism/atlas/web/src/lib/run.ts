// What every page of a run needs: which run it is and its summary.
import { createContext } from "preact";
import { useContext, useEffect } from "preact/hooks";
import { loadGroups, loadTerms } from "../data/store";
import type { AtlasIndex, Groups, Summary, Terms } from "../data/types";
import { useLoad, type Loaded } from "./load";

export interface Run {
  id: string;
  atlas: AtlasIndex;
  summary: Summary;
}

export const RunContext = createContext<Run | null>(null);

export function useRun(): Run {
  const run = useContext(RunContext);
  if (!run) throw new Error("a page was drawn outside a run");
  return run;
}

/** Why this run has no such table, as a sentence; null if it has one. */
export function absence({ absent }: Summary, table: string, layer?: number): string | null {
  const found = absent.find((a) => a.table === table && (a.layers === null || (layer !== undefined && a.layers.includes(layer))));
  return found ? `${found.reason.charAt(0).toUpperCase()}${found.reason.slice(1)}.` : null;
}

/** Which labels are written on a layer's map. */
export const written = (summary: Summary, layer: number): string =>
  absence(summary, "annotations", layer) ? "labels of the features with most terms, as no q is known" : "the surest labels";

export interface Words {
  terms: Terms;
  groups: Groups;
}

/** The dictionaries of terms and groups. */
export function useWords(): Loaded<Words> {
  const { id } = useRun();
  return useLoad(`words ${id}`, async () => {
    const [terms, groups] = await Promise.all([loadTerms(id), loadGroups(id)]);
    return { terms, groups };
  });
}

/** Names the page in the window's title. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · cellprism`;
  }, [title]);
}
