// How many features of each layer: a bar per layer with its number.
import { count } from "../lib/format";
import { useWidth } from "../lib/width";

const H = 150;
const TOP = 22;
const BOTTOM = 26;
const LEFT = 40;

interface Props {
  counts: [layer: number, n: number][];
  label: string;
}

export function CountBars({ counts, label }: Props) {
  const [frame, W] = useWidth<SVGSVGElement>(500);
  const most = Math.max(...counts.map(([, n]) => n), 1);
  const slot = Math.min(320, (W - LEFT - 4) / counts.length);
  const wide = Math.min(96, slot * 0.7);
  const every = Math.ceil(24 / slot);
  const y = (n: number) => TOP + (1 - n / most) * (H - TOP - BOTTOM);
  return (
    <svg class="chart" ref={frame} height={H} role="img" aria-label={`${label}: ${counts.map(([layer, n]) => `layer ${layer} ${count(n)}`).join("; ")}`}>
      <line class="grid" x1={LEFT} x2={LEFT + slot * counts.length} y1={H - BOTTOM} y2={H - BOTTOM} />
      <text class="axis" x={LEFT - 8} y={H - 8} text-anchor="end">layer</text>
      {counts.map(([layer, n], i) => {
        const x = LEFT + (i + 0.5) * slot;
        const bar = <rect class="bin" x={x - wide / 2} width={wide} y={y(n)} height={Math.max(n ? 1 : 0, H - BOTTOM - y(n))}><title>{`Layer ${layer}: ${count(n)}`}</title></rect>;
        return (
          <g>
            {bar}
            {(slot > 20 || n === most) && <text class={n ? "value" : "axis"} x={x} y={y(n) - 6} text-anchor="middle">{count(n)}</text>}
            {i % every === 0 && <text class="axis" x={x} y={H - 8} text-anchor="middle">{layer}</text>}
          </g>
        );
      })}
    </svg>
  );
}
