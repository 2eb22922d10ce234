// Draws dots into a pixel buffer, and beside it which dot owns each pixel.

interface Stamp {
  dx: Int16Array;
  dy: Int16Array;
  disc: Uint8Array;
  ring: Uint8Array;
  reach: number;
}

/** Coverage (0..255) of a disc of `radius` pixels and of the ring of background around it. */
function stamp(radius: number, ring: number, least: number): Stamp {
  const reach = Math.ceil(radius + ring);
  const dx: number[] = [];
  const dy: number[] = [];
  const disc: number[] = [];
  const halo: number[] = [];
  const cover = (edge: number) => Math.round(255 * Math.min(1, Math.max(0, edge + 0.5)));
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const distance = Math.hypot(x, y);
      if (distance > radius + ring + 0.5 || cover(radius - distance) < least) continue;
      dx.push(x);
      dy.push(y);
      disc.push(cover(radius - distance));
      halo.push(cover(radius + ring - distance));
    }
  }
  return { dx: Int16Array.from(dx), dy: Int16Array.from(dy), disc: Uint8Array.from(disc), ring: Uint8Array.from(halo), reach };
}

/** `over` on `under`; `alpha` of 255 covers it. Red and blue go together in one multiplication. */
function blend(under: number, over: number, alpha: number): number {
  const keep = 256 - alpha;
  const rb = (((under & 0xff00ff) * keep + (over & 0xff00ff) * alpha) >>> 8) & 0xff00ff;
  const g = (((under >>> 8) & 255) * keep + ((over >>> 8) & 255) * alpha) >>> 8;
  return 0xff000000 | rb | (g << 8);
}

export interface Dots {
  /** rows to draw, the last on top */
  order: Uint32Array;
  /** centres in device pixels, by row */
  x: Float32Array;
  y: Float32Array;
  colour: Uint32Array;
}

export interface Picture {
  image: ImageData;
  /** row of the dot that owns each pixel, or -1 */
  owner: Int32Array;
}

/** From so many dots on, soft edges are lost in the crowd and cost ten times as much: dots are drawn hard. */
const CROWD = 20_000;

export function splat(width: number, height: number, background: number, dots: Dots, radius: number, ring: number): Picture {
  const image = new ImageData(width, height);
  const pixels = new Int32Array(image.data.buffer).fill(background | 0); // signed numbers stay small integers in the engine
  const owner = new Int32Array(width * height).fill(-1);
  const hard = dots.order.length > CROWD;
  const { dx, dy, disc, ring: halo, reach } = stamp(radius, ring, hard ? 128 : 0);
  const { x: xs, y: ys, order, colour: colours } = dots;
  const step = Int32Array.from(dx, (x, s) => dy[s]! * width + x);
  const crowded = hard ? step.length : 0;
  for (let i = 0; i < order.length; i++) {
    const row = order[i]!;
    const cx = Math.round(xs[row]!);
    const cy = Math.round(ys[row]!);
    if (cx < -reach || cy < -reach || cx >= width + reach || cy >= height + reach) continue;
    const colour = colours[row]! | 0;
    const middle = cy * width + cx;
    const whole = cx >= reach && cy >= reach && cx < width - reach && cy < height - reach;
    if (crowded && whole) {
      // Only whose pixel it is; its colour follows for all at once.
      for (let s = 0; s < crowded; s++) owner[middle + step[s]!] = row;
      continue;
    }
    for (let s = 0; s < step.length; s++) {
      if (!whole) {
        const x = cx + dx[s]!;
        const y = cy + dy[s]!;
        if (x < 0 || y < 0 || x >= width || y >= height) continue;
      }
      const at = middle + step[s]!;
      const cover = disc[s]!;
      if (hard || cover === 255) pixels[at] = colour;
      else {
        const under = halo[s] === 255 ? background : blend(pixels[at]!, background, halo[s]!);
        pixels[at] = cover ? blend(under, colour, cover) : under;
      }
      if (cover > 127) owner[at] = row;
    }
  }
  if (hard) for (let at = 0; at < owner.length; at++) if (owner[at]! >= 0) pixels[at] = colours[owner[at]!]! | 0;
  return { image, owner };
}
