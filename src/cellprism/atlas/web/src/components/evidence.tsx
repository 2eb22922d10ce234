// The tests behind a feature's name: gene sets and cell groups.
import type { AnnotationRow, GeneNames, GroupRow, Groups, OddsRow, Terms } from "../data/types";
import { auroc, count, fixed, number, probability, shortTerm, title } from "../lib/format";
import { paths, useWhole } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";
import { Sideways } from "./sideways";
import { StackedTable, type StackedCell } from "./stacked-table";

/** The first rows and a button for the rest; `name` stands in the address for the table that is shown whole. */
export function useFew<T>(rows: T[], few: number, name: string, most = 80): [T[], preact.JSX.Element | null] {
  const [all, showAll] = useWhole(name);
  const more = !all && rows.length > few
    ? <button type="button" class="button more" onClick={showAll}>Show all {count(rows.length)}</button>
    : null;
  return [all ? rows.slice(0, most) : rows.slice(0, few), more];
}

export function AnnotationTable({ rows, genes, terms }: { rows: AnnotationRow[]; genes: GeneNames; terms: Terms }) {
  const { id } = useRun();
  const [shown, more] = useFew(rows, 10, "sets");
  const sized = rows.some((row) => row[3] !== null);
  const tested = rows.some((row) => row[6] !== null);
  return (
    <>
      <Sideways label="Gene sets">
        <StackedTable
          heads={[
            { title: "Term" }, { title: "Source" }, { title: "Shared genes" }, { title: "Overlap", numeric: true, help: "shared genes of the feature's top genes" },
            ...(sized ? [{ title: "Term size", numeric: true, help: "genes of the term that these cells could show" }] : []),
            { title: "log₂ effect", numeric: true, help: "log2 of observed over expected overlap; 0 is chance" }, ...(tested ? [{ title: "p", numeric: true }] : []), { title: "q", numeric: true },
          ]}
          faint={(i) => shown[i]![7] >= 0.05}
          rows={shown.map(([term, overlap, n, size, shared, effect, p, q]): StackedCell[] => [
            [shortTerm(terms.term[term] ?? ""), { class: "term", title: terms.term[term] }], [terms.source[term], { class: "muted" }],
            [shared.map((gene) => <><a href={`#${paths.genes(id, genes.symbol[gene])}`}>{genes.symbol[gene]}</a> </>), { class: "genes" }],
            [`${overlap} / ${n}`, from("annotations.overlap")], ...(sized ? [[count(size), from("annotations.term_size")] as StackedCell] : []),
            [number(effect), from("annotations.effect")], ...(tested ? [[probability(p), from("annotations.p")] as StackedCell] : []),
            [probability(q), { ...from("annotations.q"), class: q < 0.05 ? "num strong" : "num" }],
          ])}
        />
      </Sideways>
      {more}
    </>
  );
}

export function GroupTable({ rows, groups }: { rows: GroupRow[]; groups: Groups }) {
  const [shown, more] = useFew(rows, 8, "groups");
  const keys = new Set(rows.map((row) => groups.key[row[0]]));
  const unit = rows[0]?.[2] ?? "cell";
  return (
    <>
      <table class="bars named" role="table">
        <thead role="rowgroup">
          <tr role="row">
            <th scope="col" role="columnheader">Group</th>
            <th scope="col" role="columnheader" class="wide">tick: 0.5, chance</th>
            <th scope="col" role="columnheader" class="num">AUROC</th>
            <th scope="col" role="columnheader" class="num narrow-hide" title="log2 of the mean activation in the group over that in the rest; 0 is chance">log₂ ratio</th>
            <th scope="col" role="columnheader" class="num narrow-hide">{unit === "donor" ? "Donors" : "Cells"}</th>
            <th scope="col" role="columnheader" class="num">q</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map(([group, n, , area, ratio, , q]) => (
            <tr role="row" key={group} class={q !== null && q < 0.05 ? "" : "unsure"}>
              <th scope="row" role="rowheader">{groups.value[group]}{keys.size > 1 && <span class="small muted"> {groups.key[group]}</span>}</th>
              <td role="cell" class="wide"><span class="bar auroc" aria-hidden="true"><i style={{ width: `${100 * (area ?? 0)}%` }} /><b style={{ left: "50%" }} /></span></td>
              <td role="cell" class="num" {...from("celltypes.auroc", { n: `${count(n)} ${unit}s` })}>{auroc(area)}</td>
              <td role="cell" class="num narrow-hide" {...from("celltypes.log_ratio")}>{fixed(ratio)}</td>
              <td role="cell" class="num narrow-hide" {...from("celltypes.n_units")}>{count(n)}</td>
              <td role="cell" class="num" {...from("celltypes.q")}>{probability(q)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more}
    </>
  );
}

/** Groups of cells as an imported atlas tests them. */
export function OddsTable({ rows }: { rows: OddsRow[] }) {
  const [shown, more] = useFew(rows, 8, "odds");
  return (
    <>
      <p class="small muted">As published: groups that the strongest tenth of the cells has more of than the rest. Cells as units, one-sided Fisher test, corrected within the feature; no null was published.</p>
      <table>
        <thead>
          <tr>
            <th scope="col">Group</th>
            <th scope="col" class="num" title="cells of the group among the strongest">Cells</th>
            <th scope="col" class="num" title="log2 of the odds ratio; 0 is chance">log₂ odds</th>
            <th scope="col" class="num">q</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(([key, value, n, odds, q]) => (
            <tr key={`${key} ${value}`}>
              <th scope="row">{value} <span class="small muted">{title(key.replace("_", " "))}</span></th>
              <td class="num" {...from("published_groups.n_cells")}>{count(n)}</td>
              <td class="num" {...from("published_groups.log_odds")}>{fixed(odds)}</td>
              <td class="num" {...from("published_groups.q")}>{probability(q)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more}
    </>
  );
}
