// Estimates with their intervals, one below the other, against a line of no effect.
import { clip, minus } from "../lib/format";
import { ticks } from "../lib/ticks";
import { useWidth } from "../lib/width";

type Maybe = number | null;

export interface ForestRow {
  key: string;
  name: string;
  href?: string;
  current?: boolean;
  /** written over the row, where a new group begins */
  heading?: string | undefined;
  value: Maybe;
  low: Maybe;
  high: Maybe;
  /** a hollow mark beside it: what a control gave */
  beside?: Maybe;
  /** drawn in full where a test says so */
  sure: boolean;
  /** written at the right end of the row */
  note?: string;
  /** the row in words */
  said: string;
}

interface Props {
  rows: ForestRow[];
  /** where the line of no effect is */
  none: number;
  label: string;
  /** what the axis measures */
  axis: string;
  /** what lies to the left and to the right of the line */
  ends?: [left: string, right: string];
}

const ROW = 24;
const HEADING = 30;
const NARROW = 34;
const LETTER = 6.4;
const EDGE = 12;
const NOTE = 84;

export function Forest({ rows, none, label, axis, ends }: Props) {
  const [frame, width] = useWidth<SVGSVGElement>(720);
  const narrow = width < 480;
  const step = narrow ? NARROW : ROW;
  const left = narrow ? EDGE : Math.min(300, Math.round(width * 0.4));
  const right = width - (rows.some(({ note }) => note) ? NOTE : EDGE);
  const values = rows.flatMap(({ value, low, high, beside }) => [value, low, high, beside]).filter((v): v is number => typeof v === "number");
  const marks = ticks(Math.min(none, ...values), Math.max(none, ...values, none + 1e-9), narrow ? 3 : 5);
  const [least, most] = [marks[0]!, marks.at(-1)!];
  const x = (value: number) => left + EDGE + ((value - least) / (most - least)) * (right - left - EDGE);
  let down = ends ? 24 : 6;
  const top = down;
  const places = rows.map(({ heading }) => {
    down += heading ? HEADING : 0;
    const at = down;
    down += step;
    return at;
  });
  const bottom = down + 4;
  const digits = Math.max(0, -Math.floor(Math.log10(marks[1]! - marks[0]!) + 1e-9)) + (/[25]5$/.test(String(marks[1]! - marks[0]!)) ? 1 : 0);
  const written = (mark: number) => minus(mark.toFixed(Math.min(6, digits)));
  return (
    <svg class="chart forest" ref={frame} height={bottom + 38} role="group" aria-label={label}>
      {ends && x(none) > 6 * ends[0].length + 24 && <text class="axis" x={x(none) - 8} y={12} text-anchor="end">← {ends[0]}</text>}
      {ends && width - x(none) > 6 * ends[1].length + 24 && <text class="axis" x={x(none) + 8} y={12}>{ends[1]} →</text>}
      {marks.map((mark) => (
        <g>
          <line class="grid" x1={x(mark)} x2={x(mark)} y1={top} y2={bottom} />
          <text class="axis" x={x(mark)} y={bottom + 14} text-anchor="middle">{written(mark)}</text>
        </g>
      ))}
      <line class="none-line" x1={x(none)} x2={x(none)} y1={top} y2={bottom} />
      <text class="axis" x={narrow ? width / 2 : (left + EDGE + right) / 2} y={bottom + 32} text-anchor="middle">{axis}</text>
      {rows.map(({ key, name, href, current, heading, value, low, high, beside, note, sure, said }, i) => {
        const y = places[i]! + (narrow ? 24 : 12);
        const inner = (
          <>
            <rect class="row-ground" x={0} y={places[i]} width={width} height={step} />
            <text class="name" x={narrow ? 0 : left - 8} y={narrow ? places[i]! + 12 : y + 4} text-anchor={narrow ? "start" : "end"}>{clip(name, Math.floor((narrow ? width : left - 16) / LETTER))}</text>
            {note && <text class="axis" x={width - 4} y={y + 4} text-anchor="end">{note}</text>}
            {low !== null && high !== null && <line class="span" x1={x(low)} x2={x(high)} y1={y} y2={y} />}
            {typeof beside === "number" && <path class="control" d={`M${x(beside)} ${y - 4}l4 4l-4 4l-4 -4z`} />}
            {value !== null && <circle class="estimate" cx={x(value)} cy={y} r={4} />}
          </>
        );
        const kind = sure ? "forest-row" : "forest-row unsure-row";
        return (
          <g key={key}>
            {heading && <text class="value" x={narrow ? 0 : 8} y={places[i]! - 8}>{heading}</text>}
            {href
              ? <a class={kind} href={href} aria-current={current ? "true" : undefined}><title>{said}</title>{inner}</a>
              : <g class={kind} role="img" aria-label={said}>{inner}</g>}
          </g>
        );
      })}
    </svg>
  );
}
