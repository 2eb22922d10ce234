// All features of a perturbation: how much each changes, and how surely.
import { tick } from "../lib/format";
import type { Volcano } from "../lib/regulation";
import { ticks } from "../lib/ticks";
import { useWidth } from "../lib/width";

const H = 372;
const LEFT = 44;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 42;

interface Props {
  data: Volcano;
  label: string;
  /** features to be named, the surest first, and where they lead */
  named: { feature: number; href: string; name: string }[];
}

/** Dots of one kind as one shape: a line of no length has round ends. */
const dots = (points: [number, number][]) => points.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join("");

export function VolcanoPlot({ data, label, named }: Props) {
  const [frame, W] = useWidth<SVGSVGElement>(480);
  const n = data.feature.length;
  const effects = Array.from(data.effect);
  const xMarks = ticks(Math.min(0, ...effects), Math.max(1e-9, ...effects), W < 420 ? 3 : 4);
  const yMarks = ticks(0, Math.max(2, ...Array.from(data.p)), 4);
  const [xStep, yStep] = [xMarks[1]! - xMarks[0]!, yMarks[1]! - yMarks[0]!];
  const [x0, x1] = [xMarks[0]!, xMarks[xMarks.length - 1]!];
  const top = yMarks[yMarks.length - 1]!;
  const x = (effect: number) => LEFT + 8 + ((effect - x0) / (x1 - x0)) * (W - LEFT - RIGHT - 16);
  const y = (p: number) => H - BOTTOM - (p / top) * (H - TOP - BOTTOM);
  const at = (i: number): [number, number] => [x(data.effect[i]!), y(data.p[i]!)];
  const rows = Array.from({ length: n }, (_, i) => i);
  const kinds = { quiet: rows.filter((i) => !data.responds[i]), up: rows.filter((i) => data.responds[i] && data.effect[i]! > 0), down: rows.filter((i) => data.responds[i] && data.effect[i]! <= 0) };
  const place = new Map(rows.map((i) => [data.feature[i]!, i]));
  const taken: [number, number][] = [];
  const labels = named.flatMap(({ feature, ...rest }) => {
    const i = place.get(feature);
    if (i === undefined) return [];
    const [px, py] = at(i);
    if (taken.some(([qx, qy]) => Math.abs(px - qx) < 46 && Math.abs(py - qy) < 14)) return [];
    taken.push([px, py]);
    return [{ feature, ...rest, px, py }];
  });
  return (
    <svg class="chart" ref={frame} height={H} role="group" aria-label={label}>
      {xMarks.map((mark) => (
        <g>
          <line class={Math.abs(mark) < xStep / 1e3 ? "zero" : "grid"} x1={x(mark)} x2={x(mark)} y1={TOP} y2={H - BOTTOM} />
          <text class="axis" x={x(mark)} y={H - BOTTOM + 16} text-anchor="middle">{tick(mark, xStep)}</text>
        </g>
      ))}
      {yMarks.map((mark) => <text class="axis" x={LEFT - 4} y={y(mark) + 4} text-anchor="end">{tick(mark, yStep)}</text>)}
      <text class="axis" x={(LEFT + W - RIGHT) / 2} y={H - 6} text-anchor="middle">effect, in units of the activation</text>
      <text class="axis" transform={`translate(11 ${(TOP + H - BOTTOM) / 2}) rotate(-90)`} text-anchor="middle">−log₁₀ p</text>
      <path class="volcano" d={dots(kinds.quiet.map(at))} />
      <path class="volcano blue" d={dots(kinds.up.map(at))} />
      <path class="volcano vermilion" d={dots(kinds.down.map(at))} />
      {labels.map(({ feature, href, name, px, py }) => (
        <a href={`#${href}`} aria-label={name}>
          <circle class="reach-out" cx={px} cy={py} r={9}><title>{name}</title></circle>
          <text class="name" x={px + (px > W - 60 ? -7 : 7)} y={py + 4} text-anchor={px > W - 60 ? "end" : "start"}>{feature}</text>
        </a>
      ))}
    </svg>
  );
}
