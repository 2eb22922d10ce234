// Features near this one, in four senses.
import type { NeighbourRow } from "../data/types";
import { fixed, shortTerm } from "../lib/format";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from } from "../lib/source";

const kinds: [kind: string, name: string, measure: string][] = [
  ["atom", "Similar atom", "absolute cosine of the atoms, in this layer"],
  ["cofiring", "Fires together", "pointwise mutual information (log2), in this layer; each pair passed its test"],
  ["previous", "In the layer before", "absolute cosine of the atoms"],
  ["next", "In the layer after", "absolute cosine of the atoms"],
  ["highway", "Fires together, in a later layer", "pointwise mutual information (log2) over the same positions; each pair passed its test"],
];

export function Neighbours({ rows, layer: own, words }: { rows: NeighbourRow[]; layer: number; words: Words }) {
  const { id, summary } = useRun();
  const ends: Record<string, number | undefined> = { previous: summary.layers[0]?.layer, next: summary.layers.at(-1)?.layer };
  const name = (term: number | null) => (term === null ? "not annotated" : shortTerm(words.terms.term[term] ?? ""));
  return (
    <div class="neighbours">
      {kinds.filter(([kind]) => kind !== "highway" || rows.some((row) => row[0] === kind)).map(([kind, heading, measure]) => {
        const found = rows.filter((row) => row[0] === kind);
        const top = Math.max(...found.map((row) => row[3] ?? 0), ...found.map((row) => row[4] ?? 0), 1e-12);
        const limit = found[0]?.[4] ?? null;
        return (
          <div key={kind}>
            <h3>{heading}</h3>
            <p class="small muted">{measure}{limit !== null && <>; tick: the best of as many random directions is below {fixed(limit)} in 95 % of cases</>}</p>
            {found.length === 0 ? <p class="empty">{ends[kind] === own ? `Layer ${own} is the ${kind === "next" ? "last" : "first"} one.` : "None: no other feature passed."}</p> : <ol>
              {found.map(([, layer, feature, similarity, nullQ95, term]) => (
                <li key={`${layer} ${feature}`}>
                  <a href={`#${paths.feature(id, layer, feature)}`}><span class="num">{layer}·{feature}</span> <span class="quiet">{name(term)}</span></a>
                  <span class="bar" aria-hidden="true">
                    <i style={{ width: `${(100 * Math.max(0, similarity ?? 0)) / top}%` }} />
                    {nullQ95 !== null && <b style={{ left: `${(100 * Math.max(0, nullQ95)) / top}%` }} />}
                  </span>
                  <span class="num small" {...from("neighbours.similarity", { null: nullQ95 === null ? "co-firing pairs that passed their test" : `best of random directions, 95 % below ${fixed(nullQ95)}` })}>{fixed(similarity)}</span>
                </li>
              ))}
            </ol>}
          </div>
        );
      })}
    </div>
  );
}
