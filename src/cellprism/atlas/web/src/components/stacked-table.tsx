// A small table whose rows are folded into cards on a phone, each number beside its title.
import type { ComponentChildren } from "preact";

export interface Head {
  title: string;
  numeric?: boolean;
  help?: string;
}

/** What a cell shows, and what it says of its origin. */
export type StackedCell = [shown: ComponentChildren, about?: Record<string, string | undefined>];

interface Props {
  heads: Head[];
  /** the first cell of a row names it */
  rows: StackedCell[][];
  chosen?: number;
  /** whether a row is not significant */
  faint?: (row: number) => boolean;
  /** in place of cards on a phone */
  kind?: string;
}

export function StackedTable({ heads, rows, chosen, faint, kind = "stacked" }: Props) {
  return (
    <table class={kind} role="table">
      <thead role="rowgroup"><tr role="row">{heads.map(({ title, numeric, help }) => <th scope="col" role="columnheader" class={numeric ? "num" : ""} title={help}>{title}</th>)}</tr></thead>
      <tbody role="rowgroup">
        {rows.map((cells, i) => (
          <tr role="row" class={i === chosen ? "picked" : faint?.(i) ? "unsure" : ""}>
            {cells.map(([shown, about], j) => (j === 0
              ? <th scope="row" role="rowheader" {...about}>{shown}</th>
              : <td role="cell" class={heads[j]!.numeric ? "num" : ""} data-label={heads[j]!.title} {...about}>{shown}</td>))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
