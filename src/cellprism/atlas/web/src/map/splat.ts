// Draws dots into a pixel buffer, and beside it which dot owns each pixel.

interface Stamp {
  dx: Int16Array;
  dy: Int16Array;
  disc: Uint8Array;
  ring: Uint8Array;
}

/** Coverage (0..255) of a disc of `radius` pixels and of the ring of background around it. */
function stamp(radius: number, ring: number): Stamp {
  const reach = Math.ceil(radius + ring);
  const dx: number[] = [];
  const dy: number[] = [];
  const disc: number[] = [];
  const halo: number[] = [];
  const cover = (edge: number) => Math.round(255 * Math.min(1, Math.max(0, edge + 0.5)));
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const distance = Math.hypot(x, y);
      if (distance > radius + ring + 0.5) continue;
      dx.push(x);
      dy.push(y);
      disc.push(cover(radius - distance));
      halo.push(cover(radius + ring - distance));
    }
  }
  return { dx: Int16Array.from(dx), dy: Int16Array.from(dy), disc: Uint8Array.from(disc), ring: Uint8Array.from(halo) };
}

function blend(under: number, over: number, alpha: number): number {
  const keep = 255 - alpha;
  const r = ((under & 255) * keep + (over & 255) * alpha) / 255;
  const g = (((under >> 8) & 255) * keep + ((over >> 8) & 255) * alpha) / 255;
  const b = (((under >> 16) & 255) * keep + ((over >> 16) & 255) * alpha) / 255;
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
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

export function splat(width: number, height: number, background: number, dots: Dots, radius: number, ring: number): Picture {
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer).fill(background);
  const owner = new Int32Array(width * height).fill(-1);
  const { dx, dy, disc, ring: halo } = stamp(radius, ring);
  for (const row of dots.order) {
    const cx = Math.round(dots.x[row]!);
    const cy = Math.round(dots.y[row]!);
    const colour = dots.colour[row]!;
    for (let s = 0; s < dx.length; s++) {
      const x = cx + dx[s]!;
      const y = cy + dy[s]!;
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const at = y * width + x;
      pixels[at] = blend(blend(pixels[at]!, background, halo[s]!), colour, disc[s]!);
      if (disc[s]! > 127) owner[at] = row;
    }
  }
  return { image, owner };
}
