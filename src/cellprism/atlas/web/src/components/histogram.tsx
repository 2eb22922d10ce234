// How strongly a feature fires where it fires: counts on a log scale.
import { count, number } from "../lib/format";
import { useWidth } from "../lib/width";

const H = 190;
const LEFT = 44;
const BOTTOM = 34;
const TOP = 10;

export function Histogram({ counts, max }: { counts: number[]; max: number }) {
  const [frame, W] = useWidth<SVGSVGElement>(400);
  const most = Math.max(...counts, 1);
  const decades = Math.max(1, Math.ceil(Math.log10(most + 1)));
  const y = (n: number) => H - BOTTOM - (Math.log10(n + 1) / decades) * (H - TOP - BOTTOM);
  const wide = (W - LEFT - 8) / counts.length;
  const total = counts.reduce((sum, n) => sum + n, 0);
  const every = Math.ceil(decades / 4);
  return (
    <svg class="chart" ref={frame} height={H} role="img" aria-label={`Histogram of ${count(total)} activations from 0 to ${number(max)}; the fullest bin holds ${count(most)}.`}>
      {Array.from({ length: decades + 1 }, (_, d) => d).filter((d) => d % every === 0).map((d) => (
        <g>
          <line class="grid" x1={LEFT} x2={W - 8} y1={y(10 ** d - 1)} y2={y(10 ** d - 1)} />
          <text class="axis" x={LEFT - 8} y={y(10 ** d - 1) + 4} text-anchor="end">{d === 0 ? "0" : count(10 ** d)}</text>
        </g>
      ))}
      {counts.map((n, i) => n > 0 && (
        <rect class="bin" x={LEFT + i * wide + 0.75} width={wide - 1.5} y={y(n)} height={H - BOTTOM - y(n)}>
          <title>{`${number((i * max) / counts.length)} to ${number(((i + 1) * max) / counts.length)}: ${count(n)} positions`}</title>
        </rect>
      ))}
      <text class="axis" x={LEFT} y={H - 18} text-anchor="middle">0</text>
      <text class="axis" x={W - 8} y={H - 18} text-anchor="end">{number(max)}</text>
      <text class="axis" x={(LEFT + W - 8) / 2} y={H - 4} text-anchor="middle">activation; height: positions, log scale</text>
    </svg>
  );
}
