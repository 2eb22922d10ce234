// A reader's own labels and notes: kept in this browser, saved as a file, and merged into a run with `cellprism merge-notes`.
import { useEffect, useState } from "preact/hooks";

export interface Remark {
  layer: number;
  feature: number;
  label: string;
  note: string;
  author: string;
  written: string;
}

const AUTHOR = "cellprism-author";
const key = (run: string) => `cellprism-remarks:${location.pathname}:${run}`;
const isRemark = (value: unknown): value is Remark => {
  const { layer, feature, label, note, written } = (value ?? {}) as Record<string, unknown>;
  return Number.isInteger(layer) && Number.isInteger(feature) && [label, note, written].every((text) => typeof text === "string");
};

function read(run: string): Remark[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(key(run)) ?? "[]");
    return Array.isArray(stored) ? stored.filter(isRemark) : [];
  } catch {
    return []; // storage may be forbidden or hold something else
  }
}

/** False where the browser does not keep anything. */
function write(run: string, remarks: Remark[]): boolean {
  try {
    localStorage.setItem(key(run), JSON.stringify(remarks));
  } catch {
    return false;
  }
  dispatchEvent(new Event("remarks"));
  return true;
}

export function author(): string {
  try {
    return localStorage.getItem(AUTHOR) ?? "";
  } catch {
    return "";
  }
}

const order = (a: Remark, b: Remark) => a.layer - b.layer || a.feature - b.feature;

/** Keep a remark in place of the one on the same feature; one without text takes it away. */
export function keep(run: string, remark: Remark): boolean {
  const others = read(run).filter((other) => other.layer !== remark.layer || other.feature !== remark.feature);
  if (remark.author) {
    try {
      localStorage.setItem(AUTHOR, remark.author);
    } catch {
      // the name is then asked for again
    }
  }
  return write(run, remark.label || remark.note ? [...others, remark].sort(order) : others);
}

/** Add the remarks of a saved file; of two on one feature the later stays. Gives how many the file had, or null. */
export function take(run: string, text: string): number | null {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  const { kind, remarks } = (found ?? {}) as { kind?: unknown; remarks?: unknown };
  if (kind !== "cellprism remarks" || !Array.isArray(remarks) || !remarks.every(isRemark)) return null;
  const all = new Map<string, Remark>();
  for (const remark of [...read(run), ...remarks].sort((a, b) => a.written.localeCompare(b.written))) all.set(`${remark.layer} ${remark.feature}`, remark);
  return write(run, [...all.values()].sort(order)) ? remarks.length : null;
}

/** The file that `cellprism merge-notes` reads. */
export const fileText = (run: string, title: string, remarks: Remark[]) =>
  `${JSON.stringify({ kind: "cellprism remarks", version: 1, run, title, remarks }, null, 1)}\n`;

export function useRemarks(run: string): Remark[] {
  const [remarks, setRemarks] = useState(() => read(run));
  useEffect(() => {
    const update = () => setRemarks(read(run));
    update();
    addEventListener("remarks", update);
    addEventListener("storage", update);
    return () => {
      removeEventListener("remarks", update);
      removeEventListener("storage", update);
    };
  }, [run]);
  return remarks;
}
