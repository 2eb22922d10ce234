// A readout against what the activation was multiplied by: a feature beside its controls.
import { clip, tick } from "../lib/format";
import type { Effect } from "../lib/steering";
import { ticks } from "../lib/ticks";
import { useWidth } from "../lib/width";

const H = 260;
const LEFT = 70;
const RIGHT = 14;
const TOP = 14;
const BOTTOM = 44;

interface Series {
  kind: "own" | "matched" | "random";
  tone: "blue" | "vermilion";
  doses: (Effect | null)[];
}

interface Props {
  alphas: number[];
  series: Series[];
  /** the readout in its unit */
  axis: string;
  label: string;
}

export function DoseChart({ alphas, series, axis, label }: Props) {
  const [frame, W] = useWidth<SVGSVGElement>(480);
  const all = series.flatMap(({ doses }) => doses.flatMap((dose) => (dose ? [dose[0], dose[1], dose[2]] : []))).filter((v): v is number => typeof v === "number");
  const marks = ticks(Math.min(0, ...all), Math.max(1e-9, ...all), 4);
  const step = marks[1]! - marks[0]!;
  const [low, high] = [marks[0]!, marks[marks.length - 1]!];
  const [first, last] = [Math.min(1, ...alphas), Math.max(1, ...alphas)];
  const x = (alpha: number) => LEFT + 12 + ((alpha - first) / (last - first || 1)) * (W - LEFT - RIGHT - 24);
  const y = (value: number) => H - BOTTOM - ((value - low) / (high - low)) * (H - TOP - BOTTOM);
  // The effect of leaving the activation as it is is none, by definition.
  const points = ({ doses }: Series): [number, number][] => [
    ...alphas.flatMap((alpha, i): [number, number][] => (typeof doses[i]?.[0] === "number" ? [[alpha, doses[i]![0]!]] : [])),
    ...(alphas.includes(1) ? [] : [[1, 0] as [number, number]]),
  ].sort((a, b) => a[0] - b[0]);
  const shown = alphas.filter((alpha, i) => i === 0 || x(alpha) - x(alphas[i - 1]!) > 26);
  return (
    <svg class="chart" ref={frame} height={H} role="img" aria-label={label}>
      {marks.map((mark) => (
        <g>
          <line class={Math.abs(mark) < step / 1e3 ? "zero" : "grid"} x1={LEFT} x2={W - RIGHT} y1={y(mark)} y2={y(mark)} />
          <text class="axis" x={LEFT - 8} y={y(mark) + 4} text-anchor="end">{tick(mark, step)}</text>
        </g>
      ))}
      <line class="unchanged" x1={x(1)} x2={x(1)} y1={TOP} y2={H - BOTTOM} />
      {shown.map((alpha) => <text class="axis" x={x(alpha)} y={H - BOTTOM + 17} text-anchor="middle">× {alpha}</text>)}
      <text class="axis" x={(LEFT + W - RIGHT) / 2} y={H - 6} text-anchor="middle">{W < 340 ? "activation times" : "activation multiplied by; dotted line: unchanged"}</text>
      <text class="axis" transform={`translate(11 ${(TOP + H - BOTTOM) / 2}) rotate(-90)`} text-anchor="middle">{clip(axis, 36)}</text>
      {[...series].reverse().map((one) => (
        <g>
          <path class={`dose ${one.kind} ${one.kind === "own" ? one.tone : ""}`} d={points(one).map(([alpha, value], i) => `${i ? "L" : "M"}${x(alpha).toFixed(1)} ${y(value).toFixed(1)}`).join("")} />
          {one.doses.map((dose, i) => dose && dose[0] !== null && (
            <g>
              {dose[1] !== null && dose[2] !== null && <line class={`interval ${one.kind} ${one.kind === "own" ? one.tone : ""}`} x1={x(alphas[i]!)} x2={x(alphas[i]!)} y1={y(dose[1])} y2={y(dose[2])} />}
              <circle class={`mark ${one.kind} ${one.kind === "own" ? one.tone : ""}`} cx={x(alphas[i]!)} cy={y(dose[0])} r={one.kind === "own" ? 4.5 : 3} />
            </g>
          ))}
        </g>
      ))}
    </svg>
  );
}
