// What a reader takes away from a page: a table, a picture, or the code that gives the same table.
import { useState } from "preact/hooks";
import { chartFile } from "../lib/drawing";
import { useRun } from "../lib/run";
import { fileName, save, toCsv, type Cell } from "../lib/save";
import { Icon } from "./icon";

interface CsvProps {
  /** what the file is called after the run */
  name: (string | number)[];
  /** the table, in words */
  what: string;
  header: string[];
  rows: () => Cell[][];
}

export function CsvButton({ name, what, header, rows }: CsvProps) {
  const { id } = useRun();
  return (
    <button type="button" class="take" aria-label={`Download ${what} as CSV`} onClick={() => save(fileName([id, ...name], "csv"), "text/csv", toCsv(header, rows()))}>
      <Icon name="down" /> CSV
    </button>
  );
}

interface SvgProps {
  name: (string | number)[];
  what: string;
  /** what the picture shows; which run it is of is added */
  caption: string;
  /** the file, where it is not the chart in the same panel */
  draw?: (caption: string) => string;
}

export function SvgButton({ name, what, caption, draw }: SvgProps) {
  const { id, atlas, summary } = useRun();
  const take = (button: HTMLElement) => {
    const whole = `${caption} Run “${summary.title}”, ${atlas.generator}; ${location.hash} in its atlas.`;
    const chart = button.closest("figure, section")?.querySelector<SVGSVGElement>("svg.chart");
    const drawn = draw ? draw(whole) : chart && chartFile(chart, whole);
    if (drawn) save(fileName([id, ...name], "svg"), "image/svg+xml", drawn);
  };
  return (
    <button type="button" class="take" aria-label={`Download ${what} as SVG`} onClick={(event) => take(event.currentTarget)}>
      <Icon name="down" /> SVG
    </button>
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
