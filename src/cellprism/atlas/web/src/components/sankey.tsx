// Ribbons from the modules of one layer to those of another; each leads to the pairs within it.
import { useMemo } from "preact/hooks";
import { clip, count, plural } from "../lib/format";
import { useWidth } from "../lib/width";

export interface Block {
  /** unique among the blocks of its side */
  key: number;
  name: string;
  colour: string;
}

export interface Ribbon {
  from: number;
  to: number;
  n: number;
  href: string;
  current: boolean;
}

interface Props {
  left: Block[];
  right: Block[];
  ribbons: Ribbon[];
  titles: [left: string, right: string];
  label: string;
}

interface Placed {
  block: Block;
  n: number;
  y: number;
  height: number;
}

const TOP = 26;
const BLOCK = 12;
const PADDING = 10;

/** The blocks of a side from the largest down, each as high as its ribbons together, spread over the whole height. */
function stacked(blocks: Block[], ribbons: Ribbon[], end: "from" | "to", room: number, scale: number): Map<number, Placed> {
  const sums = blocks.map((block) => ({ block, n: ribbons.reduce((sum, ribbon) => sum + (ribbon[end] === block.key ? ribbon.n : 0), 0) }));
  const gap = (room - scale * sums.reduce((sum, { n }) => sum + n, 0)) / blocks.length;
  let y = TOP - gap / 2;
  return new Map(sums.sort((a, b) => b.n - a.n).map(({ block, n }) => {
    const placed = { block, n, y: y + gap, height: scale * n };
    y = placed.y + placed.height;
    return [block.key, placed];
  }));
}

/** Where each ribbon leaves or reaches its block, in the order of the blocks at the other end. */
function ends(ribbons: Ribbon[], own: Map<number, Placed>, other: Map<number, Placed>, end: "from" | "to", far: "from" | "to", scale: number): Map<Ribbon, number> {
  const next = new Map([...own].map(([key, { y }]) => [key, y]));
  return new Map([...ribbons].sort((a, b) => other.get(a[far])!.y - other.get(b[far])!.y).map((ribbon) => {
    const y = next.get(ribbon[end])!;
    next.set(ribbon[end], y + scale * ribbon.n);
    return [ribbon, y + (scale * ribbon.n) / 2];
  }));
}

export function Sankey({ left, right, ribbons, titles, label }: Props) {
  const [frame, width] = useWidth<SVGSVGElement>(900);
  const narrow = width < 560;
  const side = narrow ? Math.floor(width * 0.27) : Math.min(240, Math.floor(width * 0.29));
  const height = Math.max(narrow ? 260 : 400, TOP + Math.max(left.length, right.length) * (narrow ? 34 : 38) + 20);
  const [x0, x1] = [side + BLOCK, width - side - BLOCK];
  const graph = useMemo(() => {
    const room = height - 8 - TOP;
    const scale = (room - PADDING * Math.max(left.length, right.length)) / Math.max(1, ribbons.reduce((sum, { n }) => sum + n, 0));
    const from = stacked(left, ribbons, "from", room, scale);
    const to = stacked(right, ribbons, "to", room, scale);
    return { from, to, scale, leave: ends(ribbons, from, to, "from", "to", scale), reach: ends(ribbons, to, from, "to", "from", scale) };
  }, [left, right, ribbons, height]);
  const letters = Math.floor((side - 10) / 6.2);
  const chosen = ribbons.some((ribbon) => ribbon.current);
  return (
    <svg class="chart sankey" ref={frame} height={height} role="group" aria-label={label}>
      <text class="axis" x={x0} y={12} text-anchor="end">{titles[0]}</text>
      <text class="axis" x={x1} y={12}>{titles[1]}</text>
      {ribbons.map((ribbon) => {
        const from = graph.from.get(ribbon.from)!.block;
        const said = `${from.name} to ${graph.to.get(ribbon.to)!.block.name}: ${plural(ribbon.n, "pair")}`;
        const [y0, y1, middle] = [graph.leave.get(ribbon)!, graph.reach.get(ribbon)!, (x0 + x1) / 2];
        return (
          <a href={ribbon.href} aria-label={said} aria-current={ribbon.current ? "true" : undefined}>
            <path class={chosen && !ribbon.current ? "ribbon ribbon-off" : "ribbon"} d={`M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`} stroke={from.colour} stroke-width={Math.max(1, graph.scale * ribbon.n)}>
              <title>{said}</title>
            </path>
          </a>
        );
      })}
      {[graph.from, graph.to].map((blocks, at) => [...blocks.values()].map(({ block, n, y, height }) => {
        const text = { x: at ? x1 + BLOCK + 8 : x0 - BLOCK - 8, "text-anchor": at ? "start" : "end" } as const;
        return (
          <g>
            <rect class="block" x={at ? x1 : x0 - BLOCK} y={y} width={BLOCK} height={Math.max(1, height)} fill={block.colour} />
            <text class="name" {...text} y={y + height / 2 + (height > 26 ? -2 : 4)}>{clip(block.name, letters)}<title>{block.name}</title></text>
            {height > 26 && <text class="axis" {...text} y={y + height / 2 + 12}>{narrow ? count(n) : plural(n, "pair")}</text>}
          </g>
        );
      }))}
    </svg>
  );
}
