// Ribbons from the modules of one layer to those of another; each leads to the pairs within it.
import { useMemo } from "preact/hooks";
import { sankey, sankeyLinkHorizontal } from "d3-sankey";
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

interface Node { side: 0 | 1; block: Block }
interface Link { ribbon: Ribbon }

const TOP = 26;
const BLOCK = 12;
const PADDING = 10;

export function Sankey({ left, right, ribbons, titles, label }: Props) {
  const [frame, width] = useWidth<SVGSVGElement>(900);
  const narrow = width < 560;
  const side = narrow ? Math.floor(width * 0.27) : Math.min(240, Math.floor(width * 0.29));
  const height = Math.max(narrow ? 260 : 400, TOP + Math.max(left.length, right.length) * (narrow ? 34 : 38) + 20);
  const graph = useMemo(() => {
    const place = new Map([...left.map((block, i) => [`0 ${block.key}`, i] as const), ...right.map((block, i) => [`1 ${block.key}`, left.length + i] as const)]);
    const nodes = [...left.map((block) => ({ side: 0 as const, block })), ...right.map((block) => ({ side: 1 as const, block }))];
    const links = ribbons.map((ribbon) => ({ source: place.get(`0 ${ribbon.from}`)!, target: place.get(`1 ${ribbon.to}`)!, value: ribbon.n, ribbon }));
    return sankey<Node, Link>().nodeWidth(BLOCK).nodePadding(PADDING).nodeSort((a, b) => (b.value ?? 0) - (a.value ?? 0))
      .extent([[side, TOP], [width - side, height - 8]])({ nodes, links });
  }, [left, right, ribbons, width, height, side]);
  const path = sankeyLinkHorizontal<Node, Link>();
  const letters = Math.floor((side - 10) / 6.2);
  const chosen = ribbons.some((ribbon) => ribbon.current);
  return (
    <svg class="chart sankey" ref={frame} height={height} role="group" aria-label={label}>
      <text class="axis" x={side + BLOCK} y={12} text-anchor="end">{titles[0]}</text>
      <text class="axis" x={width - side - BLOCK} y={12}>{titles[1]}</text>
      {graph.links.map((link) => {
        const from = link.source as typeof graph.nodes[number];
        const to = link.target as typeof graph.nodes[number];
        const said = `${from.block.name} to ${to.block.name}: ${plural(link.ribbon.n, "pair")}`;
        return (
          <a href={link.ribbon.href} aria-label={said} aria-current={link.ribbon.current ? "true" : undefined}>
            <path class={chosen && !link.ribbon.current ? "ribbon ribbon-off" : "ribbon"} d={path(link) ?? ""} stroke={from.block.colour} stroke-width={Math.max(1, link.width ?? 1)}>
              <title>{said}</title>
            </path>
          </a>
        );
      })}
      {graph.nodes.map(({ side: at, block, x0 = 0, x1 = 0, y0 = 0, y1 = 0, value = 0 }) => (
        <g>
          <rect class="block" x={x0} y={y0} width={x1 - x0} height={Math.max(1, y1 - y0)} fill={block.colour} />
          <text class="name" x={at ? x1 + 8 : x0 - 8} y={(y0 + y1) / 2 + (y1 - y0 > 26 ? -2 : 4)} text-anchor={at ? "start" : "end"}>{clip(block.name, letters)}<title>{block.name}</title></text>
          {y1 - y0 > 26 && <text class="axis" x={at ? x1 + 8 : x0 - 8} y={(y0 + y1) / 2 + 12} text-anchor={at ? "start" : "end"}>{narrow ? count(value) : plural(value, "pair")}</text>}
        </g>
      ))}
    </svg>
  );
}
