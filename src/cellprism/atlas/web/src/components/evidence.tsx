// The tests behind a feature's name: gene sets and cell groups.
import type { AnnotationRow, GeneNames, GroupRow, Groups, OddsRow, Terms } from "../data/types";
import { auroc, count, fixed, number, probability, shortTerm, title } from "../lib/format";
import { paths, useWhole } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";

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
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Gene sets">
        <table>
          <thead>
            <tr>
              <th scope="col">Term</th>
              <th scope="col" class="narrow-hide">Source</th>
              <th scope="col">Shared genes</th>
              <th scope="col" class="num" title="shared genes of the feature's top genes">Overlap</th>
              {sized && <th scope="col" class="num" title="genes of the term that these cells could show">Term size</th>}
              <th scope="col" class="num" title="log2 of observed over expected overlap; 0 is chance">log₂ effect</th>
              {tested && <th scope="col" class="num">p</th>}
              <th scope="col" class="num">q</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(([term, overlap, n, size, shared, effect, p, q]) => (
              <tr key={term} class={q < 0.05 ? "" : "unsure"}>
                <th scope="row" class="term" title={terms.term[term]}>{shortTerm(terms.term[term] ?? "")}</th>
                <td class="muted narrow-hide">{terms.source[term]}</td>
                <td class="genes">{shared.map((gene) => <><a href={`#${paths.genes(id, genes.symbol[gene])}`}>{genes.symbol[gene]}</a> </>)}</td>
                <td class="num" {...from("annotations.overlap")}>{overlap} / {n}</td>
                {sized && <td class="num" {...from("annotations.term_size")}>{count(size)}</td>}
                <td class="num" {...from("annotations.effect")}>{number(effect)}</td>
                {tested && <td class="num" {...from("annotations.p")}>{probability(p)}</td>}
                <td class={q < 0.05 ? "num strong" : "num"} {...from("annotations.q")}>{probability(q)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
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
      <table class="bars">
        <thead>
          <tr>
            <th scope="col">Group</th>
            <th scope="col" class="wide">tick: 0.5, chance</th>
            <th scope="col" class="num">AUROC</th>
            <th scope="col" class="num narrow-hide" title="log2 of the mean activation in the group over that in the rest; 0 is chance">log₂ ratio</th>
            <th scope="col" class="num narrow-hide">{unit === "donor" ? "Donors" : "Cells"}</th>
            <th scope="col" class="num">q</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(([group, n, , area, ratio, , q]) => (
            <tr key={group} class={q !== null && q < 0.05 ? "" : "unsure"}>
              <th scope="row">{groups.value[group]}{keys.size > 1 && <span class="small muted"> {groups.key[group]}</span>}</th>
              <td class="wide"><span class="bar auroc" aria-hidden="true"><i style={{ width: `${100 * (area ?? 0)}%` }} /><b style={{ left: "50%" }} /></span></td>
              <td class="num" {...from("celltypes.auroc", { n: `${count(n)} ${unit}s` })}>{auroc(area)}</td>
              <td class="num narrow-hide" {...from("celltypes.log_ratio")}>{fixed(ratio)}</td>
              <td class="num narrow-hide" {...from("celltypes.n_units")}>{count(n)}</td>
              <td class="num" {...from("celltypes.q")}>{probability(q)}</td>
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
