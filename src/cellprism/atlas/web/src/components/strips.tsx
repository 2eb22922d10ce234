// One number of each feature as a tick, in a row for each group of features.
import { ticks } from "../lib/ticks";
import { useWidth } from "../lib/width";

interface Props {
  groups: { name: string; values: number[] }[];
  label: string;
  axis: string;
  write: (value: number) => string;
}

const ROW = 30;
const LEFT = 76;
const EDGE = 16;

export function Strips({ groups, label, axis, write }: Props) {
  const [frame, width] = useWidth<SVGSVGElement>(560);
  const values = groups.flatMap((group) => group.values);
  const marks = ticks(Math.min(0, ...values), Math.max(...values, 1e-9), width < 480 ? 2 : 6);
  const [least, most] = [marks[0]!, marks.at(-1)!];
  const x = (value: number) => LEFT + ((value - least) / (most - least)) * (width - LEFT - EDGE);
  const bottom = groups.length * ROW;
  return (
    <svg class="chart" ref={frame} height={bottom + 38} role="img" aria-label={label}>
      {marks.map((mark) => (
        <g>
          <line class="grid" x1={x(mark)} x2={x(mark)} y1={0} y2={bottom} />
          <text class="axis" x={x(mark)} y={bottom + 14} text-anchor="middle">{write(mark)}</text>
        </g>
      ))}
      <line class="none-line" x1={x(0)} x2={x(0)} y1={0} y2={bottom} />
      {groups.map(({ name, values }, i) => {
        const y = i * ROW + 6;
        const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
        return (
          <g>
            <text class="name" x={LEFT - 12} y={y + 13} text-anchor="end">{name}</text>
            <path class="strip" d={values.map((value) => `M${x(value).toFixed(1)} ${y}v18`).join("")} />
            {values.length > 0 && <path class="strip-mean" d={`M${x(mean)} ${y + 3}l6 6l-6 6l-6 -6z`} />}
          </g>
        );
      })}
      <text class="axis" x={(LEFT + width - EDGE) / 2} y={bottom + 32} text-anchor="middle">{axis}</text>
    </svg>
  );
}
