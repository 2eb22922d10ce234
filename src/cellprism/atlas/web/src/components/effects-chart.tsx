// Effects of features with their intervals, in groups, each beside the effects of its controls.
import { clip, tick } from "../lib/format";
import { ticks } from "../lib/ticks";
import { useWidth } from "../lib/width";

export interface Mark {
  value: number | null;
  low: number | null;
  high: number | null;
  /** the number itself, which is filled where it is sure, or a control */
  kind: "own" | "matched" | "random";
  sure?: boolean;
}

export interface EffectRow {
  key: string;
  /** layer and feature */
  place: string;
  name: string;
  /** page of the feature */
  href: string;
  /** address at which it is chosen */
  pick: string;
  chosen: boolean;
  marks: Mark[];
  /** the number as it is written at the end of the row */
  text: string;
  spoken: string;
}

export interface EffectGroup {
  title: string;
  /** colour of its own marks */
  tone: "blue" | "vermilion";
  /** the side of the line on which its marks are expected: 1 right, -1 left, 0 none */
  side: number;
  rows: EffectRow[];
}

interface Props {
  groups: EffectGroup[];
  label: string;
  /** what the axis measures, and how its marks are written */
  axis: string;
  /** the whole way in the unit of the axis, for a second axis of shares of it */
  whole?: number | null;
  wholeAxis?: string;
}

const TEXT = 58;
const GAP = 7;
const HEAD = 30;

export function EffectsChart({ groups, label, axis, whole, wholeAxis }: Props) {
  const [frame, W] = useWidth<SVGSVGElement>(860);
  const narrow = W < 480;
  const left = narrow ? 6 : Math.min(300, Math.round(W * 0.36));
  const right = W - TEXT;
  const lead = narrow ? 22 : 12;
  const rowHeight = lead + 2 * GAP + 9;
  const shares = whole ? 34 : 0;
  const values = groups.flatMap(({ rows }) => rows.flatMap(({ marks }) => marks.flatMap(({ value, low, high }) => [value, low, high]))).filter((v): v is number => typeof v === "number");
  const marks = ticks(Math.min(...values, 0), Math.max(...values, 1e-9), W < 420 ? 2 : 4);
  const step = marks[1]! - marks[0]!;
  const [low, high] = [marks[0]!, marks[marks.length - 1]!];
  const x = (value: number) => left + ((value - low) / (high - low)) * (right - left - 12);
  let at = 6 + shares;
  const placed = groups.filter(({ rows }) => rows.length).map((group) => {
    const top = at;
    at += HEAD + group.rows.length * rowHeight + 8;
    return { group, top };
  });
  const bottom = at;
  const wholeMarks = whole ? ticks(Math.min(low / whole, high / whole), Math.max(low / whole, high / whole), W < 420 ? 2 : 4).filter((share) => x(share * whole) >= left - 1 && x(share * whole) <= right - 11) : [];
  return (
    <svg class="chart forest" ref={frame} height={bottom + 40} role="group" aria-label={label}>
      {placed.map(({ group, top }) => group.side !== 0 && (
        <g>
          <rect class="expected" x={group.side > 0 ? x(0) : left} width={Math.max(0, group.side > 0 ? right - 12 - x(0) : x(0) - left)} y={top} height={HEAD + group.rows.length * rowHeight} />
          {!narrow && <text class="axis" x={group.side > 0 ? right - 18 : left + 6} y={top + 18} text-anchor={group.side > 0 ? "end" : "start"}>expected side</text>}
        </g>
      ))}
      {marks.map((mark) => (
        <g>
          <line class={Math.abs(mark) < step / 1e3 ? "zero" : "grid"} x1={x(mark)} x2={x(mark)} y1={shares} y2={bottom} />
          <text class="axis" x={x(mark)} y={bottom + 16} text-anchor="middle">{tick(mark, step)}</text>
        </g>
      ))}
      <text class="axis" x={(left + right) / 2} y={bottom + 34} text-anchor="middle">{clip(axis, Math.floor((right - left) / 5.6))}</text>
      {whole && wholeMarks.map((share) => <text class="axis" x={x(share * whole)} y={28} text-anchor="middle">{`${Math.round(100 * share)}\u00a0%`.replace("-", "−")}</text>)}
      {whole && <text class="axis" x={(left + right) / 2} y={11} text-anchor="middle">{clip(wholeAxis ?? "", Math.floor((right - left) / 5.6))}</text>}
      {placed.map(({ group, top }) => (
        <g>
          <text class="forest-title" x={narrow ? left : 0} y={top + 19}>{clip(group.title, Math.floor((narrow ? W : left + (group.side ? 0 : 200)) / 6))}</text>
          {group.rows.map((row, i) => <Row key={row.key} {...{ row, group, x, narrow, left, lead, rowHeight, W }} y={top + HEAD + i * rowHeight} />)}
        </g>
      ))}
    </svg>
  );
}

interface RowProps {
  row: EffectRow;
  group: EffectGroup;
  x: (value: number) => number;
  y: number;
  narrow: boolean;
  left: number;
  lead: number;
  rowHeight: number;
  W: number;
}

function Row({ row, group, x, y, narrow, left, lead, rowHeight, W }: RowProps) {
  const centre = y + lead;
  const name = (
    <text class="name" x={narrow ? left : 0} y={narrow ? y + 10 : centre + 4}>
      <tspan class="forest-place">{row.place}{"\u2002"}</tspan>
      {clip(row.name, Math.max(6, Math.floor((narrow ? W - TEXT - 12 : left - 14) / 6.4) - row.place.length - 1))}
    </text>
  );
  const dots = row.marks.map((mark, i) => {
    if (mark.value === null) return null;
    const at = centre + i * GAP;
    const shape = `mark ${mark.kind} ${mark.kind === "own" ? `${group.tone}${mark.sure === false ? " unsure" : ""}` : ""}`;
    return (
      <g>
        {mark.low !== null && mark.high !== null && <line class={`interval ${mark.kind} ${mark.kind === "own" ? group.tone : ""}`} x1={x(mark.low)} x2={x(mark.high)} y1={at} y2={at} />}
        {mark.kind === "random"
          ? <rect class={shape} x={x(mark.value) - 3} y={at - 3} width={6} height={6} transform={`rotate(45 ${x(mark.value)} ${at})`} />
          : <circle class={shape} cx={x(mark.value)} cy={at} r={mark.kind === "own" ? 4.5 : 3} />}
      </g>
    );
  });
  return (
    <g>
      <a class="forest-row" href={`#${row.pick}`} aria-current={row.chosen ? "true" : undefined}>
        <rect class={row.chosen ? "reach-out chosen" : "reach-out"} x={narrow ? 0 : left} y={y} width={narrow ? W : W - left} height={rowHeight - 2} rx={3}><title>{`${row.name}: ${row.spoken}`}</title></rect>
        {dots}
        <text class="value" x={W} y={narrow ? y + 10 : centre + 4} text-anchor="end">{row.text}</text>
      </a>
      <a href={`#${row.href}`}>{name}</a>
    </g>
  );
}
