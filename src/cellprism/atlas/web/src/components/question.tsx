// A question that the traces of a graph answer together: one table, every number with its null and its origin.
import type { TraceEntry } from "../lib/circuits";
import { count, MISSING, plural, probability } from "../lib/format";
import type { Cell } from "../lib/save";
import { from, ofTrace } from "../lib/source";
import { useFew } from "./evidence";
import { Sideways } from "./sideways";
import { StackedTable, type Head, type StackedCell } from "./stacked-table";
import { CsvButton } from "./take";

const FEW = 8;

interface Props {
  id: string;
  heading: string;
  says: string;
  heads: Head[];
  rows: StackedCell[][];
  /** the same rows as a file */
  records: object[];
  /** a question of the page, not of a section of it */
  top?: boolean;
  traces: TraceEntry[];
  /** the table of a trace that all numbers are from */
  table?: string | undefined;
}

export function Question({ id, heading, says, heads, rows, records, top, traces, table }: Props) {
  const Heading = top ? "h2" : "h3";
  const [first, second] = traces;
  const of = table && first && !second ? { of: { table, within: ofTrace(first.name) } } : {};
  const [shown, more] = useFew(rows, FEW, id, Infinity);
  return (
    <section class="panel" aria-labelledby={id}>
      <div class="panel-head">
        <Heading id={id}>{heading}</Heading>
        <CsvButton name={["circuits", id]} what={heading} {...of} header={Object.keys(records[0] ?? {})} rows={() => records.map((record) => Object.values(record) as Cell[])} />
      </div>
      <p class="small muted says">{says}</p>
      <Sideways label={heading}><StackedTable heads={heads} rows={shown} /></Sideways>
      {more}
    </section>
  );
}

/** Rows of a small table of all traces, each with the name of its trace. */
export const ofAll = <T extends object>(traces: TraceEntry[], part: (trace: TraceEntry) => T[]) => traces.flatMap((trace) => part(trace).map((row) => ({ trace: trace.name, ...row })));

/** The edited layer, and the one that was read unless all are meant. */
export const between = ({ source }: TraceEntry, to: number | string) => `Layer ${source}${to === -1 ? "" : ` to ${to}`}, `;

export type Rates = Record<string, [words: string, show: (x: number | null) => string]>;

const RATE_HEADS: Head[] = [
  { title: "What" }, { title: "Found", numeric: true }, { title: "Null, 5 to 95 %", numeric: true, help: "mean over permutations, and its range" }, { title: "p", numeric: true, help: "two-sided" },
];

/** A mean of a null and its range; where nothing came of it, that. */
export const spread = (show: (x: number | null) => string, mean: number | null, low: number | null, high: number | null, n: number | null) =>
  mean === null ? MISSING : (mean === 0 && high === 0 ? `none in ${plural(n ?? 0, "permutation")}` : <>{show(mean)} <span class="muted">{show(low)} to {show(high)}</span></>);

/** The rates of these names, beside their nulls; nothing where no trace has one. */
export function RateTable({ traces, rates, ...about }: { rates: Rates } & Pick<Props, "id" | "heading" | "says" | "table" | "traces">) {
  const own = (trace: TraceEntry) => Object.keys(rates).flatMap((name) => trace.rates.filter(({ rate }) => rate === name));
  const rows = traces.flatMap((trace) => own(trace).map((rate): StackedCell[] => {
    const [words, show] = rates[rate.rate]!;
    const about = (column: string) => from(`trace_rates.${column}`, { within: ofTrace(trace.name), name: rate.rate, n: plural(rate.n ?? 0, rate.unit), null: rate.null });
    const none = rate.null_mean === null;
    return [
      [<>{between(trace, rate.target_layer)}{words}{rate.protocol === "published" && ", published rule"} <span class="muted">n = {count(rate.n)}</span></>, about("n")],
      [show(rate.value), { ...about("value"), class: "num strong" }],
      [none ? "no edge in the null" : spread(show, rate.null_mean, rate.null_q05, rate.null_q95, rate.n_permutations), about("null_mean")], [none ? MISSING : probability(rate.p), about("p")],
    ];
  }));
  return rows.length ? <Question {...{ ...about, traces, rows }} heads={RATE_HEADS} records={ofAll(traces, own)} /> : null;
}
