// Many pairs of numbers as dots, against the line on which both are equal.
import { ticks } from "../lib/ticks";
import { useWidth } from "../lib/width";

interface Props {
  /** dots of two kinds: the second is drawn over the first */
  plain: [x: number, y: number][];
  marked: [x: number, y: number][];
  label: string;
  titles: [x: string, y: string];
  /** both axes by factors of ten */
  log?: boolean;
}

const LEFT = 54;
const BOTTOM = 40;
const PAD = 8;

const dots = (points: [number, number][], x: (v: number) => number, y: (v: number) => number) =>
  points.map(([a, b]) => `M${x(a).toFixed(1)} ${y(b).toFixed(1)}h0`).join("");

export function Scatter({ plain, marked, label, titles, log = false }: Props) {
  const [frame, wide] = useWidth<SVGSVGElement>(360);
  const width = Math.min(wide, 460);
  const side = width - LEFT - PAD;
  const height = side + BOTTOM + PAD;
  const on = log ? Math.log10 : (v: number) => v;
  const values = [...plain, ...marked].flat().map(on).filter(Number.isFinite);
  const [low, high] = [Math.min(...values, 0), Math.max(...values, 1e-9)];
  const first = Math.floor(low);
  const marks = log ? Array.from({ length: Math.ceil(high) - first + 1 }, (_, i) => first + i) : ticks(low, high, 4);
  const [least, most] = [marks[0]!, marks.at(-1)!];
  const place = (v: number) => ((on(v) - least) / (most - least)) * side;
  const x = (v: number) => LEFT + place(v);
  const y = (v: number) => PAD + side - place(v);
  const at = (mark: number) => ((mark - least) / (most - least)) * side;
  const written = (mark: number) => (log ? String(10 ** mark) : String(Number(mark.toPrecision(6))).replace("-", "−"));
  return (
    <svg class="chart scatter" ref={frame} height={height} role="img" aria-label={label}>
      {marks.map((mark) => (
        <g>
          <line class="grid" x1={LEFT} x2={LEFT + side} y1={PAD + side - at(mark)} y2={PAD + side - at(mark)} />
          <line class="grid" x1={LEFT + at(mark)} x2={LEFT + at(mark)} y1={PAD} y2={PAD + side} />
          <text class="axis" x={LEFT - 6} y={PAD + side - at(mark) + 4} text-anchor="end">{written(mark)}</text>
          <text class="axis" x={LEFT + at(mark)} y={PAD + side + 15} text-anchor="middle">{written(mark)}</text>
        </g>
      ))}
      <line class="none-line" x1={LEFT} y1={PAD + side} x2={LEFT + side} y2={PAD} />
      <path class="dots" d={dots(plain, x, y)} />
      <path class="dots marked-dots" d={dots(marked, x, y)} />
      <text class="axis" x={LEFT + side / 2} y={height - 4} text-anchor="middle">{titles[0]}</text>
      <text class="axis" transform={`translate(11 ${PAD + side / 2}) rotate(-90)`} text-anchor="middle">{titles[1]}</text>
    </svg>
  );
}
