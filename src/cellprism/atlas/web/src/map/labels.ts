// Which names are written on the map: the most important first, none over another.

export interface Name {
  text: string;
  /** of a module, rather than of a feature */
  strong: boolean;
  x: number;
  y: number;
  /** the dot that it names */
  dot?: [x: number, y: number];
}

export interface Box extends Name {
  width: number;
}

const LINE = 16;
/** the corner that the zoom buttons take, in pixels */
const CORNER = { width: 48, height: 270 };

const widths = new Map<string, number>();

/** Width of a name as it is written; measured once. */
function widthOf(pen: CanvasRenderingContext2D, { text, strong }: Name): number {
  const key = `${strong} ${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    pen.font = strong ? "700 14px system-ui, sans-serif" : "500 12.5px system-ui, sans-serif";
    widths.set(key, (width = pen.measureText(text).width));
  }
  return width;
}

/** Names in order of importance; those that would overlap one already written, or the edge, are left out, as are repetitions. */
export function arrange(names: Name[], width: number, height: number, most: number, corner: typeof CORNER | null = CORNER): Box[] {
  const pen = document.createElement("canvas").getContext("2d");
  if (!pen) return [];
  const written: Box[] = [];
  const texts = new Set<string>();
  for (const name of names) {
    if (written.length >= most) break;
    if (texts.has(name.text)) continue;
    const size = widthOf(pen, name) + 10;
    if (name.y < LINE || name.y > height - 4) continue;
    if (name.x < 0 || name.x > width || size > width) continue;
    const x = Math.min(width - size / 2 - 4, Math.max(size / 2 + 4, name.x));
    if (corner && x + size / 2 > width - corner.width && name.y < corner.height) continue;
    const clear = written.every(
      (other) => Math.abs(other.x - x) > (other.width + size) / 2 || Math.abs(other.y - name.y) > LINE + 2,
    );
    if (!clear) continue;
    written.push({ ...name, x, width: size });
    texts.add(name.text);
  }
  return written;
}

export const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
