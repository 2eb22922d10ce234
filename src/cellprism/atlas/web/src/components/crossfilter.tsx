// Histograms of the features' numbers; a range chosen on one filters the map, the table and the other histograms.
import { useMemo, useState } from "preact/hooks";
import { binned, scaleOf, type Range, type Ranges } from "../map/filter";
import type { NumberColumn, Values } from "../map/numbers";
import { Brush } from "./brush";

interface Props {
  columns: NumberColumn[];
  values: Values;
  alive: (row: number) => boolean;
  /** keys of the filters, and what each row fails, as `failures` gives it */
  filters: string[];
  failed: Int8Array;
  ranges: Ranges;
  onRange: (key: string, range: Range) => void;
  onMore: (more: boolean) => void;
  more: boolean;
}

export const FIRST = 6;

function One({ column, values, alive, filters, failed, ranges, onRange }: Omit<Props, "columns" | "values" | "more" | "onMore"> & { column: NumberColumn; values: Float32Array | Float64Array }) {
  const scale = useMemo(() => scaleOf(values, column), [values, column]);
  const all = useMemo(() => binned(values, scale, alive), [values, scale, alive]);
  const passing = useMemo(() => {
    const own = filters.indexOf(column.key) + 1;
    return binned(values, scale, (row) => alive(row) && (failed[row] === 0 || (own > 0 && failed[row] === own)));
  }, [values, scale, alive, failed, filters]);
  return <Brush {...{ column, scale, all, passing }} range={ranges[column.key]} onRange={(range) => onRange(column.key, range)} />;
}

export function Crossfilter({ columns, values, more, onMore, ...rest }: Props) {
  const shown = columns.filter(({ key }, i) => more || i < FIRST || rest.ranges[key]);
  const [folded, setFolded] = useState(() => matchMedia("(max-width: 40rem)").matches && !Object.keys(rest.ranges).length);
  return (
    <details class="crossfilter" open={!folded} onToggle={(event) => setFolded(!event.currentTarget.open)}>
      <summary>Filter by numbers <span class="small muted">drag over one; height: square root of the count</span></summary>
      <div class="brushes" data-testid="crossfilter">
        {shown.map((column) => {
          const own = values(column.key);
          return own ? <One key={column.key} column={column} values={own} {...rest} /> : <div class="brush" key={column.key}><p class="small muted">{column.title} …</p></div>;
        })}
      </div>
      {columns.length > FIRST && <button type="button" class="plain small" onClick={() => onMore(!more)}>{more ? "Fewer numbers" : `${columns.length - FIRST} more numbers`}</button>}
    </details>
  );
}
