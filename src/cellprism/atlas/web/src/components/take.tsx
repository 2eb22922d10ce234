// What a reader takes away from a page: a table, a picture, or the code that gives the same table.
import { useState } from "preact/hooks";
import { chartFile, mapsFile, rasterised } from "../lib/drawing";
import { absence, useRun } from "../lib/run";
import { fileName, save, saveBlob, toCsv, type Cell } from "../lib/save";
import { Icon } from "./icon";
import { SourceButton } from "./source";

interface CsvProps {
  /** what the file is called after the run */
  name: (string | number)[];
  /** the table, in words */
  what: string;
  header: string[];
  rows: () => Cell[][];
  /** the table of the run that the numbers are from, to be had whole and explained */
  of?: { table: string; layer?: number; name?: string; within?: string };
}

/** The Parquet file of a table, where it is the only one of its layout. */
function parquet(run: string, { table, layer, name, within }: NonNullable<CsvProps["of"]>): string | null {
  if (within) return `download/${run}/${within}${within.endsWith("/") ? table : ""}.parquet`;
  if (name !== undefined || table === "rates" || table === "metrics") return null;
  return `download/${run}/${layer === undefined ? "" : `layers/${String(layer).padStart(2, "0")}/`}${table}.parquet`;
}

export function CsvButton({ name, what, header, rows, of }: CsvProps) {
  const { id, summary } = useRun();
  const whole = of && !absence(summary, of.table, of.layer) ? parquet(id, of) : null;
  return (
    <span class="takes">
      <button type="button" class="take" aria-label={`Download ${what} as CSV`} onClick={() => save(fileName([id, ...name], "csv"), "text/csv", toCsv(header, rows()))}>
        <Icon name="down" /> CSV
      </button>
      {whole && <a class="take" href={whole} download aria-label={`Download the whole table ${of!.table} as Parquet`}><Icon name="down" /> Parquet</a>}
      {of && <SourceButton table={of.table} layer={of.layer} what={what} within={of.within} {...(of.name === undefined ? {} : { name: of.name })} />}
    </span>
  );
}

interface SvgProps {
  name: (string | number)[];
  what: string;
  /** what the picture shows; which run it is of is added */
  caption: string;
  /** the file, where it is not the chart or the small maps in the same panel */
  draw?: (caption: string) => string;
}

/** The picture as SVG and as PNG. */
export function SvgButton({ name, what, caption, draw }: SvgProps) {
  const { id, atlas, summary } = useRun();
  const drawn = (button: HTMLElement): string | null => {
    const whole = `${caption} Run “${summary.title}”, ${atlas.generator}; ${location.hash} in its atlas.`;
    if (draw) return draw(whole);
    const shown = button.closest("figure, section")?.querySelector("svg.chart, .minis, .mini-map");
    if (!shown) return null;
    return shown instanceof SVGSVGElement ? chartFile(shown, whole) : mapsFile(shown, whole);
  };
  const svg = (button: HTMLElement) => {
    const picture = drawn(button);
    if (picture) save(fileName([id, ...name], "svg"), "image/svg+xml", picture);
  };
  const png = async (button: HTMLElement) => {
    const picture = drawn(button);
    if (picture) saveBlob(fileName([id, ...name], "png"), await rasterised(picture));
  };
  return (
    <span class="takes picture">
      <button type="button" class="take" aria-label={`Download ${what} as SVG`} onClick={(event) => svg(event.currentTarget)}><Icon name="down" /> SVG</button>
      <button type="button" class="take" aria-label={`Download ${what} as PNG`} onClick={(event) => void png(event.currentTarget)}><Icon name="down" /> PNG</button>
    </span>
  );
}

export function PythonCell({ code }: { code: string }) {
  const [copied, setCopied] = useState(false);
  const copy = (button: HTMLElement) => {
    const text = button.parentElement!.querySelector("pre")!;
    getSelection()?.selectAllChildren(text); // also for browsers that keep the clipboard from pages without TLS
    navigator.clipboard?.writeText(code).then(() => setCopied(true), () => undefined);
  };
  return (
    <details class="panel fold python" onToggle={() => setCopied(false)}>
      <summary>Copy as Python</summary>
      <div>
        <pre tabIndex={0} data-testid="python">{code}</pre>
        <button type="button" class="button" onClick={(event) => copy(event.currentTarget)}>{copied ? "Copied" : "Copy"}</button>
        <span class="sr" role="status">{copied && "The code is on the clipboard."}</span>
      </div>
    </details>
  );
}
