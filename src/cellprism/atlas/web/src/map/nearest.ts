// The dot that an arrow key leads to.
import type { Placed } from "./view";

const directions: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/**
 * The row in the direction of `key` from `from`: nearest by distance, with places off the axis counted as further.
 * Without a start, the dot nearest to the middle of the picture.
 */
export function step(key: string, from: number | null, rows: Uint32Array, at: Placed, middle: [number, number]): number | null {
  const direction = directions[key];
  if (!direction) return null;
  const [x0, y0] = from === null ? middle : [at.x[from]!, at.y[from]!];
  let best: number | null = null;
  let least = Infinity;
  for (const row of rows) {
    if (row === from) continue;
    const dx = at.x[row]! - x0;
    const dy = at.y[row]! - y0;
    const along = dx * direction[0] + dy * direction[1];
    const across = Math.abs(dx * direction[1] + dy * direction[0]);
    if (from !== null && (along <= 0 || across > 2 * along)) continue;
    const cost = from === null ? dx * dx + dy * dy : along * along + 4 * across * across;
    if (cost < least) {
      least = cost;
      best = row;
    }
  }
  return best;
}
