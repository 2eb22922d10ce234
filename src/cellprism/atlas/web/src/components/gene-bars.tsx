// Top genes of a feature as bars: small ones for cards, a full table for the feature's page.
import type { GeneRow, GeneNames } from "../data/types";
import { count, MISSING, number, percent } from "../lib/format";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";

export function SmallGeneBars({ rows, genes, most }: { rows: [gene: number, mean: number][]; genes: GeneNames; most: number }) {
  const shown = rows.slice(0, most);
  const top = Math.max(...shown.map((row) => row[1]), 1e-12);
  return (
    <ul class="small-bars">
      {shown.map(([gene, mean]) => (
        <li key={gene}>
          <span class="gene">{genes.symbol[gene]}</span>
          {mean > 0 && <span class="bar"><i style={{ width: `${(100 * mean) / top}%` }} /></span>}
        </li>
      ))}
    </ul>
  );
}

export function GeneTable({ rows, genes }: { rows: GeneRow[]; genes: GeneNames }) {
  const { id } = useRun();
  const bounded = rows.some((row) => row[5] !== null);
  const counted = rows.some((row) => row[1] !== null);
  const fires = rows.some((row) => row[2] !== null);
  const top = Math.max(...rows.map((row) => row[3]), 1e-12);
  return (
    <table class="bars">
      <thead>
        <tr>
          <th scope="col">Gene</th>
          <th scope="col" class="wide">Mean<span class="narrow-hide"> activation</span>{bounded && "; tick: lower 95\u00a0% bound"}</th>
          <th scope="col" class="num">Mean</th>
          {bounded && <th scope="col" class="num narrow-hide">Lower</th>}
          {fires && <th scope="col" class="num">Fired{counted && " / seen"}</th>}
          {counted && <th scope="col" class="num narrow-hide">Share</th>}
        </tr>
      </thead>
      <tbody>
        {rows.map(([gene, seen, fired, mean, , lower]) => (
          <tr key={gene}>
            <th scope="row" class="gene"><a href={`#${paths.genes(id, genes.symbol[gene])}`}>{genes.symbol[gene]}</a></th>
            <td class="wide">
              <span class="bar" aria-hidden="true">
                <i style={{ width: `${(100 * mean) / top}%` }} />
                {lower !== null && <b style={{ left: `${(100 * Math.max(0, lower)) / top}%` }} />}
              </span>
            </td>
            <td class="num" {...from("top_genes.mean")}>{number(mean)}</td>
            {bounded && <td class="num narrow-hide" {...from("top_genes.lower")}>{number(lower)}</td>}
            {fires && <td class="num" {...from("top_genes.fired")}>{count(fired)}{counted && <> / {count(seen)}</>}</td>}
            {counted && <td class="num narrow-hide" {...from("top_genes.fired")}>{fired === null || seen === null ? MISSING : percent(fired / Math.max(1, seen), 0)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
