// Features near this one, in four senses.
import { NONE32 } from "../data/columns";
import { loadMaps } from "../data/store";
import type { NeighbourRow } from "../data/types";
import { fixed } from "../lib/format";
import { useLoad } from "../lib/load";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { labelOf } from "./hover-card";

const kinds: [kind: string, name: string, measure: string][] = [
  ["atom", "Similar atom", "cosine of the atoms in this layer"],
  ["cofiring", "Fires together", "pointwise mutual information, in this layer"],
  ["previous", "In the layer before", "cosine of the atoms"],
  ["next", "In the layer after", "cosine of the atoms"],
];

export function Neighbours({ rows, words }: { rows: NeighbourRow[]; words: Words }) {
  const { id } = useRun();
  const layers = [...new Set(rows.map((row) => row[1]))];
  const maps = useLoad(`neighbours ${id} ${layers}`, () => loadMaps(id, layers));
  const name = (layer: number, feature: number) => {
    const map = maps.value?.get(layer);
    const row = map?.row.get(feature);
    if (!map || row === undefined) return "";
    return map.label[row] === NONE32 ? "not annotated" : labelOf(map, row, words);
  };
  return (
    <div class="neighbours">
      {kinds.map(([kind, heading, measure]) => {
        const own = rows.filter((row) => row[0] === kind);
        const top = Math.max(...own.map((row) => row[3] ?? 0), ...own.map((row) => row[4] ?? 0), 1e-12);
        const limit = own[0]?.[4] ?? null;
        return (
          <div key={kind}>
            <h3>{heading}</h3>
            <p class="small muted">{measure}{limit !== null && <>; tick: 95 % of its null lies below {fixed(limit)}</>}</p>
            {own.length === 0 && <p class="empty">{kind === "previous" || kind === "next" ? "None: there is no such layer, or nothing in it is similar." : "None was found."}</p>}
            <ol>
              {own.map(([, layer, feature, similarity, nullQ95]) => (
                <li key={`${layer} ${feature}`}>
                  <a href={`#${paths.feature(id, layer, feature)}`}><span class="num">{layer}·{feature}</span> <span class="quiet">{name(layer, feature)}</span></a>
                  <span class="bar" aria-hidden="true">
                    <i style={{ width: `${(100 * Math.max(0, similarity ?? 0)) / top}%` }} />
                    {nullQ95 !== null && <b style={{ left: `${(100 * Math.max(0, nullQ95)) / top}%` }} />}
                  </span>
                  <span class="num small">{fixed(similarity)}</span>
                </li>
              ))}
            </ol>
          </div>
        );
      })}
    </div>
  );
}
