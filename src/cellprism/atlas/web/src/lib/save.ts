// Files that a reader takes away, made in the page.

export type Cell = string | number | null | undefined;

const quoted = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const written = (cell: Cell) => (cell === null || cell === undefined || Number.isNaN(cell) ? "" : quoted(String(cell)));

/** Rows as comma-separated values (RFC 4180), missing numbers as empty fields. */
export const toCsv = (header: string[], rows: Cell[][]) => [header, ...rows].map((row) => `${row.map(written).join(",")}\r\n`).join("");

export const save = (name: string, type: string, text: string) => saveBlob(name, new Blob([text], { type: `${type};charset=utf-8` }));

export function saveBlob(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A file name of what it holds: `demo-layer-2.csv`. */
export const fileName = (parts: (string | number)[], ending: string) => `${parts.join("-").replace(/[^\w.-]+/g, "-")}.${ending}`;
