// A long table of which only the rows in sight are in the document.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { usePhone } from "../lib/phone";

export interface Column {
  key: string;
  title: string;
  /** explains the column to those who point at it */
  help?: string;
  width: string;
  numeric?: boolean;
  /** width on a phone, or `UNDER` the others in a line of its own; without it the column is not shown there */
  phone?: string;
  /** hidden where the table is narrow */
  extra?: boolean;
  cell: (row: number) => ComponentChildren;
}

interface Props {
  label: string;
  columns: Column[];
  rows: ArrayLike<number>;
  selected?: number | null;
  sort?: { key: string; down: boolean; by: (key: string) => void };
  empty: string;
}

export const UNDER = "under";
const ROW = 40;
/** height of each line under a row */
const LINE = 22;
const SPARE = 6;

export function VirtualTable({ label, columns, rows, selected, sort, empty }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const under = columns.filter((column) => column.phone === UNDER).length;
  const row = ROW + (usePhone() ? under * LINE : 0);
  useEffect(() => {
    const element = frame.current!;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (selected === null || selected === undefined) return;
    const at = Array.prototype.indexOf.call(rows, selected) * row;
    const element = frame.current!;
    if (at >= 0 && (at < element.scrollTop || at > element.scrollTop + element.clientHeight - 2 * row)) {
      element.scrollTop = at - element.clientHeight / 3;
    }
  }, [selected, rows, row]);
  const first = Math.max(0, Math.floor(top / row) - SPARE);
  const last = Math.min(rows.length, Math.ceil((top + height) / row) + SPARE);
  const widths = (of: Column[], width: (column: Column) => string | undefined) => of.map(width).join(" ");
  const grid = {
    "--columns": widths(columns, (c) => c.width),
    "--few": widths(columns.filter((c) => !c.extra), (c) => c.width),
    "--phone": widths(columns.filter((c) => c.phone && c.phone !== UNDER), (c) => c.phone),
  };
  const kind = (column: Column) => `${column.numeric ? "num" : ""} ${column.extra ? "extra" : ""} ${column.phone ? "" : "no-phone"} ${column.phone === UNDER ? "under" : ""}`;
  const order = (key: string) => (sort?.key !== key ? "none" : sort.down ? "descending" : "ascending");
  return (
    <div class={under ? `virtual under-${under}` : "virtual"} style={grid} ref={frame} onScroll={(event) => setTop(event.currentTarget.scrollTop)} tabIndex={0} role="region" aria-label={label}>
      <div role="table" aria-label={label} aria-rowcount={rows.length + 1}>
        <div role="row" class="virtual-head" aria-rowindex={1}>
          {columns.map((column) => (
            <div role="columnheader" class={kind(column)} title={column.help} aria-sort={sort ? order(column.key) : undefined}>
              {sort
                ? <button type="button" onClick={() => sort.by(column.key)}>{column.title}<span aria-hidden="true">{order(column.key) === "none" ? "" : sort.down ? " ↓" : " ↑"}</span></button>
                : column.title || <span class="sr">As a bar</span>}
            </div>
          ))}
        </div>
        <div role="rowgroup" class="virtual-body" style={{ height: `${rows.length * row}px` }}>
          {Array.from({ length: Math.max(0, last - first) }, (_, k) => {
            const index = rows[first + k]!;
            return (
              <div key={index} role="row" class={index === selected ? "virtual-row selected" : "virtual-row"} aria-rowindex={first + k + 2} style={{ transform: `translateY(${(first + k) * row}px)` }}>
                {columns.map((column) => <div role="cell" class={kind(column)}>{column.cell(index)}</div>)}
              </div>
            );
          })}
        </div>
      </div>
      {rows.length === 0 && <p class="empty">{empty}</p>}
    </div>
  );
}
