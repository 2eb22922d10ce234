// Finding gene sets: every word must be in the name; names that begin with the text come first, then short ones.
import type { Terms } from "../data/types";

export function searchTerms(terms: Terms, text: string, most: number): number[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const whole = words.join(" ");
  const ranked: [rank: number, term: number][] = [];
  terms.term.forEach((term, i) => {
    const name = term.toLowerCase();
    if (!words.every((word) => name.includes(word))) return;
    ranked.push([name === whole ? 0 : name.startsWith(whole) ? 1 : name.includes(` ${whole}`) ? 2 : 3, i]);
  });
  ranked.sort((a, b) => a[0] - b[0] || terms.term[a[1]]!.length - terms.term[b[1]]!.length || a[1] - b[1]);
  return ranked.slice(0, most).map(([, term]) => term);
}

/** A term as an address names it: `source|term`. */
export const termKey = (terms: Terms, i: number) => `${terms.source[i]}|${terms.term[i]}`;

/** The term of an address, or of a text that is exactly one name. */
export function findTerm(terms: Terms, text: string): number | null {
  const lower = text.toLowerCase();
  const named = terms.term.findIndex((term, i) => `${terms.source[i]}|${term}`.toLowerCase() === lower);
  const found = named < 0 ? terms.term.findIndex((term) => term.toLowerCase() === lower) : named;
  return found < 0 ? null : found;
}
