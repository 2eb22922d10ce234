// One number per layer with, where it has one, its null as a band.
import { MISSING, percent } from "../lib/format";
import { ticks } from "../lib/ticks";
import { useWidth } from "../lib/width";

export interface LayerPoint {
  layer: number;
  value: number | null;
  nullMean?: number | null;
  nullQ95?: number | null;
}

const H = 150;
const LEFT = 42;
const RIGHT = 4;
const TOP = 18;
const BOTTOM = 26;
const INSET = 22;

const line = (points: [number, number][]) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

interface Props {
  points: LayerPoint[];
  show: (value: number | null) => string;
  /** the number as it is written beside its dot */
  brief: (value: number) => string;
  label: string;
}

export function LayerChart({ points, show, brief, label }: Props) {
  const [frame, W] = useWidth<SVGSVGElement>(260);
  const values = points.flatMap((p) => [p.value, p.nullQ95 ?? p.nullMean]).filter((v): v is number => typeof v === "number");
  const marks = ticks(Math.min(...values, 0), Math.max(...values, 1e-6));
  const low = marks[0]!;
  const top = marks[marks.length - 1]!;
  const x = (i: number) => (points.length === 1 ? (LEFT + W - RIGHT) / 2 : LEFT + INSET + (i * (W - LEFT - RIGHT - 2 * INSET)) / (points.length - 1));
  const y = (value: number) => H - BOTTOM - ((value - low) / (top - low)) * (H - TOP - BOTTOM);
  const pick = (read: (p: LayerPoint) => number | null | undefined) =>
    points.flatMap((p, i): [number, number][] => {
      const value = read(p);
      return typeof value === "number" ? [[x(i), y(value)]] : [];
    });
  const seen = pick((p) => p.value);
  const mean = pick((p) => p.nullMean);
  const upper = pick((p) => p.nullQ95);
  const every = Math.ceil(points.length / 9);
  const spoken = points
    .map((p) => `layer ${p.layer} ${show(p.value)}${typeof p.nullMean === "number" ? `, null ${show(p.nullMean)}` : ""}`)
    .join("; ");
  return (
    <svg class="chart" ref={frame} height={H} role="img" aria-label={`${label}: ${spoken}`}>
      {marks.map((mark) => (
        <g>
          <line class="grid" x1={LEFT} x2={W - RIGHT} y1={y(mark)} y2={y(mark)} />
          <text class="axis" x={LEFT - 8} y={y(mark) + 4} text-anchor="end">{top <= 1 ? percent(mark, top < 0.05 ? 1 : 0) : show(mark)}</text>
        </g>
      ))}
      {upper.length > 1 && <path class="null-band" d={`${line(upper)}${line([...mean].reverse()).replace("M", "L")}Z`} />}
      {upper.length === 1 && <line class="null-bar" x1={upper[0]![0]} x2={upper[0]![0]} y1={upper[0]![1]} y2={mean[0]?.[1]} />}
      <path class="null-line" d={line(mean)} />
      <path class="observed" d={line(seen)} />
      {seen.map(([cx, cy]) => <circle class="observed-dot" cx={cx} cy={cy} r={points.length > 12 ? 3 : 4} />)}
      {points.map((p, i) => i % every === 0 && <text class="axis" x={x(i)} y={H - 8} text-anchor="middle">{p.layer}</text>)}
      {W > 52 * (points.length + 1) && points.map((p, i) => typeof p.value === "number" && (
        <text class="value" x={x(i)} y={y(p.value) - 9} text-anchor="middle">{brief(p.value)}</text>
      ))}
      <text class="axis" x={LEFT - 8} y={H - 8} text-anchor="end">layer</text>
      {values.length === 0 && <text class="axis" x={W / 2} y={H / 2} text-anchor="middle">{MISSING}</text>}
    </svg>
  );
}
