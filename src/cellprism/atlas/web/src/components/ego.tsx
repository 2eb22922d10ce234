// A feature among the features that change it and those that it changes: one column per layer.
import type { Edge, Place } from "../lib/circuits";
import { clip, plural } from "../lib/format";
import { useWidth } from "../lib/width";

export interface EgoNode {
  edge: Edge;
  name: string;
  href: string;
}

interface Props {
  centre: Place;
  name: string;
  before: EgoNode[];
  after: EgoNode[];
  label: string;
}

const ROW = 22;
const TOP = 34;
const WIDEST = 3;

interface Column {
  layer: number;
  side: -1 | 1;
  nodes: EgoNode[];
}

function columns(nodes: EgoNode[], side: -1 | 1): Column[] {
  const layers = [...new Set(nodes.map(({ edge }) => edge.layer))].sort((a, b) => a - b);
  return layers.map((layer) => ({ layer, side, nodes: nodes.filter(({ edge }) => edge.layer === layer) }));
}

export function Ego({ centre, name, before, after, label }: Props) {
  const [frame, width] = useWidth<SVGSVGElement>(1000);
  const left = columns(before, -1);
  const right = columns(after, 1);
  const all = [...left, ...right];
  const rows = Math.max(4, ...all.map(({ nodes }) => nodes.length));
  const height = TOP + rows * ROW + 12;
  const slots = left.length + right.length + 1;
  const step = width / slots;
  // Names stand on the far side of the dots, so the dots of a column stand towards the middle.
  const x = (i: number) => (i + 0.5 + (i === left.length ? 0 : i < left.length ? 0.3 : -0.3)) * step;
  const [cx, cy] = [x(left.length), TOP + (rows * ROW) / 2];
  const most = Math.max(...[...before, ...after].map(({ edge }) => Math.abs(edge.g)), 0.5);
  const letters = Math.max(5, Math.floor((0.8 * step - 16) / 6.2));
  const placed = all.flatMap((column, i) => {
    const at = column.side < 0 ? i : i + 1;
    const offset = ((rows - column.nodes.length) * ROW) / 2;
    return column.nodes.map((node, k) => ({ node, side: column.side, x: x(at), y: TOP + offset + (k + 0.5) * ROW }));
  });
  return (
    <svg class="chart ego" ref={frame} height={height} role="group" aria-label={label}>
      {all.map(({ layer, side }, i) => <text class="axis" x={x(side < 0 ? i : i + 1)} y={14} text-anchor="middle">layer {layer}</text>)}
      <text class="axis" x={cx} y={14} text-anchor="middle">layer {centre[0]}</text>
      {placed.map(({ node: { edge }, x, y }) => {
        const bend = (cx + x) / 2;
        return <path class={edge.supports ? "edge supports" : "edge opposes"} stroke-width={0.6 + (WIDEST * Math.abs(edge.g)) / most} d={`M${cx} ${cy}C${bend} ${cy} ${bend} ${y} ${x} ${y}`} />;
      })}
      {placed.map(({ node, side, x, y }) => (
        <g>
          <title>{`${node.edge.layer}·${node.edge.feature} ${node.name}; g ${node.edge.g.toFixed(2)}`}</title>
          <a href={node.href} aria-label={`${side < 0 ? "Changed by" : "Changes"} layer ${node.edge.layer} feature ${node.edge.feature}, ${node.name}, ${node.edge.supports ? "supports" : "opposes"}, g ${node.edge.g.toFixed(2)}`}>
            <rect class="reach-out" x={side < 0 ? x - 0.8 * step : x - 8} y={y - ROW / 2} width={0.8 * step + 8} height={ROW} />
            <circle class={node.edge.supports ? "node supports" : "node opposes"} cx={x} cy={y} r={4.5} />
          </a>
          <text class="name" aria-hidden="true" x={x + 9 * side} y={y + 4} text-anchor={side < 0 ? "end" : "start"}>{clip(node.name, letters)}</text>
        </g>
      ))}
      <circle class="node centre" cx={cx} cy={cy} r={8} />
      <text class="name centre-name" x={cx} y={cy - 14} text-anchor="middle">{clip(name, letters + 4)}</text>
      {placed.length === 0 && <text class="axis" x={cx} y={cy + 30} text-anchor="middle">{plural(0, "edge")} within these limits</text>}
    </svg>
  );
}
