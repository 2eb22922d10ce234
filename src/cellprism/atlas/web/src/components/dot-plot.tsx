// Where a gene stands: one dot per feature at its layer and at the gene's rank there.
import type { GeneHit } from "../data/types";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { useWidth } from "../lib/width";
import { Sideways } from "./sideways";

const LEFT = 48;
const TOP = 12;
const ROW = 18;
const MOST = 400;

export function DotPlot({ hits, layers }: { hits: GeneHit[]; layers: number[] }) {
  const { id } = useRun();
  const shown = hits.slice(0, MOST);
  const [frame, wide] = useWidth<HTMLDivElement>(960);
  const column = Math.max(44, Math.min(320, (wide - LEFT) / layers.length));
  const width = LEFT + layers.length * column;
  const ranks = Math.max(...shown.map((hit) => hit[2])) + 1;
  const height = TOP + ranks * ROW + 44;
  const together = new Map<string, number>();
  const index = shown.map(([layer, , rank]) => {
    const key = `${layer} ${rank}`;
    const i = together.get(key) ?? 0;
    together.set(key, i + 1);
    return i;
  });
  const most = Math.max(...shown.map((hit) => hit[3] ?? 0), 1e-12);
  const centre = (layer: number) => LEFT + (layers.indexOf(layer) + 0.5) * column;
  return (
    <Sideways label="Rank of the gene in features of each layer">
      <div ref={frame}>
      <svg class="chart" style={{ width: `${width}px` }} height={height}>
        {Array.from({ length: ranks }, (_, rank) => (
          <g>
            <line class="grid" x1={LEFT} x2={width} y1={TOP + (rank + 0.5) * ROW} y2={TOP + (rank + 0.5) * ROW} />
            {(rank === 0 || (rank + 1) % 5 === 0) && <text class="axis" x={LEFT - 10} y={TOP + (rank + 0.5) * ROW + 4} text-anchor="end">{rank + 1}</text>}
          </g>
        ))}
        {layers.map((layer) => <text class="axis" x={centre(layer)} y={height - 26} text-anchor="middle">{layer}</text>)}
        <text class="axis" x={(LEFT + width) / 2} y={height - 6} text-anchor="middle">layer</text>
        <text class="axis" transform={`translate(12 ${TOP + (ranks * ROW) / 2}) rotate(-90)`} text-anchor="middle">rank of the gene</text>
        {shown.map(([layer, feature, rank, lower], i) => {
          const count = together.get(`${layer} ${rank}`)!;
          const gap = Math.min(14, (column - 12) / count);
          const x = centre(layer) + (index[i]! - (count - 1) / 2) * gap;
          return (
            <a href={`#${paths.feature(id, layer, feature)}`} aria-label={`Layer ${layer}, feature ${feature}, rank ${rank + 1}`}>
              <circle class="hit" cx={x} cy={TOP + (rank + 0.5) * ROW} r={3 + 4 * Math.sqrt(Math.max(0, lower ?? 0) / most)}>
                <title>{`Layer ${layer}, feature ${feature}, rank ${rank + 1}`}</title>
              </circle>
            </a>
          );
        })}
      </svg>
      </div>
    </Sideways>
  );
}
