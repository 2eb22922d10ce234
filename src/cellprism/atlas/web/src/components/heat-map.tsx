// Rows and columns with a signed number where they meet, as a colour on either side of nothing.
import { useState } from "preact/hooks";
import { clip } from "../lib/format";
import { diverging } from "../lib/palette";
import { useTheme } from "../lib/theme";
import { useWidth } from "../lib/width";
import { Sideways } from "./sideways";

const CELL = 18;
const HEAD = 140;
/** Shades of one sign; cells of a shade are one shape, so that a large picture has few parts. */
const SHADES = 6;

interface Line {
  name: string;
  href: string;
  chosen?: boolean;
}

interface Props {
  rows: Line[];
  columns: Line[];
  values: (number | null)[][];
  /** the size at which a colour is full */
  full: number;
  label: string;
  /** what a cell says in words */
  spoken: (row: number, column: number) => string;
}

export function HeatMap({ rows, columns, values, full, label, spoken }: Props) {
  const theme = useTheme();
  const [frame, wide] = useWidth<HTMLDivElement>(860);
  const [told, setTold] = useState("");
  const left = Math.min(112, Math.max(56, 8.5 * Math.max(...rows.map(({ name }) => name.length)) + 14));
  const cell = Math.max(CELL, Math.min(30, Math.floor((wide - left) / Math.max(1, columns.length))));
  const [W, H] = [left + columns.length * cell, HEAD + rows.length * CELL];
  const shapes = new Map<number, string>();
  values.forEach((line, i) => line.forEach((value, j) => {
    const shade = value === null ? NaN : Math.round(SHADES * Math.max(-1, Math.min(1, value / full)));
    shapes.set(shade, `${shapes.get(shade) ?? ""}M${left + j * cell} ${HEAD + i * CELL}h${cell - 1}v${CELL - 1}h${1 - cell}z`);
  }));
  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as SVGSVGElement).getBoundingClientRect();
    const [row, column] = [Math.floor((event.clientY - box.top - HEAD) / CELL), Math.floor((event.clientX - box.left - left) / cell)];
    setTold(rows[row] && columns[column] && event.clientX - box.left > left ? spoken(row, column) : "");
  };
  return (
    <>
      <Sideways label={label}><div ref={frame}>
        <svg class="chart heat-map" style={{ width: `${W}px` }} height={H} role="group" aria-label={label} onPointerMove={point} onPointerLeave={() => setTold("")}>
          {[...shapes].map(([shade, d]) => <path d={d} fill={Number.isNaN(shade) ? "none" : diverging(shade / SHADES, theme)} />)}
          {rows.map(({ name, href, chosen }, i) => (
            <a href={`#${href}`} aria-current={chosen ? "true" : undefined}>
              {chosen && <rect class="heat-chosen" x={left - 1} y={HEAD + i * CELL - 1} width={columns.length * cell + 1} height={CELL + 1} />}
              <text class="name" x={left - 8} y={HEAD + i * CELL + 13} text-anchor="end">{clip(name, 12)}</text>
            </a>
          ))}
          {columns.map(({ name, href }, j) => (
            <a href={`#${href}`}>
              <text class="name" transform={`translate(${left + (j + 0.5) * cell + 4} ${HEAD - 6}) rotate(-90)`}>{clip(name, 17)}<title>{name}</title></text>
            </a>
          ))}
        </svg>
      </div></Sideways>
      <p class="small muted heat-told" aria-hidden="true">{told || "Point at a cell to read it; the CSV has all of them."}</p>
    </>
  );
}
