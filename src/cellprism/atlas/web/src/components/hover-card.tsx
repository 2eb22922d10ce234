// What a dot of the map is, beside it: the place, the label, the strongest genes.
import { NONE16, NONE32, type FeatureMap } from "../data/columns";
import { loadFeature, loadFeatureGenes } from "../data/store";
import { useLoad } from "../lib/load";
import { auroc, percent, probability, shortTerm } from "../lib/format";
import { useRun, type Words } from "../lib/run";
import { isDead, isRare } from "../map/colouring";
import { SmallGeneBars } from "./gene-bars";

/** height of a full card, in pixels */
const TALL = 268;

export function labelOf(map: FeatureMap, row: number, { terms }: Words): string | null {
  const label = map.label[row]!;
  return label === NONE32 ? null : shortTerm(terms.term[label] ?? "");
}

interface Props {
  map: FeatureMap;
  row: number;
  layer: number;
  words: Words;
  x: number;
  y: number;
  width: number;
  height: number;
}

export function HoverCard({ map, row, layer, words, x, y, width, height }: Props) {
  const { id } = useRun();
  const feature = map.feature[row]!;
  const details = useLoad(`card ${id} ${layer} ${feature}`, async () => {
    const [found, genes] = await Promise.all([loadFeature(id, layer, feature), loadFeatureGenes(id, layer, feature)]);
    return { found, genes };
  });
  const label = labelOf(map, row, words);
  const group = map.group[row]!;
  const side = x < width / 2 ? { left: `${x + 16}px` } : { right: `${width - x + 16}px` };
  const top = Math.max(8, Math.min(y - 24, height - TALL));
  return (
    <div class="hover-card" style={{ ...side, top: `${top}px` }}>
      <p class="small muted">Layer {layer} · feature {feature}{isRare(map, row) && " · rare"}{isDead(map, row) && " · dead"}</p>
      <p class="strong">{label ?? "Not annotated"}</p>
      {label && <p class="small muted">q {probability(map.label_q[row])} · {map.n_terms[row]} terms</p>}
      {group !== NONE16 && <p class="small">{words.groups.value[group]} <span class="muted">AUROC {auroc(map.group_auroc[row])}</span></p>}
      <p class="small muted">fires at {percent(map.frequency[row], 2)} of positions</p>
      {details.value && <SmallGeneBars rows={details.value.found.genes.map(([gene, , , mean]) => [gene, mean])} genes={details.value.genes} most={width < 520 ? 4 : 6} />}
    </div>
  );
}
