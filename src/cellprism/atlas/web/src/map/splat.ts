// Draws dots into a pixel buffer, and beside it which dot owns each pixel.

export interface Stamp {
  dx: Int16Array;
  dy: Int16Array;
  disc: Uint8Array;
  ring: Uint8Array;
  reach: number;
  /** how many pixels, the first ones, are covered whole, and how many at least by half */
  whole: number;
  half: number;
}

/** From so many dots on, soft edges are lost in the crowd and cost ten times as much: dots are drawn hard. */
export const CROWD = 20_000;
export const isCrowd = (order: Uint32Array) => order.length > CROWD;

/** Coverage (0..255) of a disc of `radius` pixels and of the ring of background around it. */
export function stampOf(radius: number, ring: number, hard: boolean): Stamp {
  const least = hard ? 128 : 0;
  const reach = Math.ceil(radius + ring);
  const found: [dx: number, dy: number, disc: number, halo: number][] = [];
  const cover = (edge: number) => Math.round(255 * Math.min(1, Math.max(0, edge + 0.5)));
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const distance = Math.hypot(x, y);
      if (distance > radius + ring + 0.5 || cover(radius - distance) < least) continue;
      found.push([x, y, cover(radius - distance), cover(radius + ring - distance)]);
    }
  }
  found.sort((a, b) => b[2] - a[2]);
  const column = (i: 0 | 1 | 2 | 3) => found.map((pixel) => pixel[i]);
  const disc = Uint8Array.from(column(2));
  const above = (least: number) => disc.filter((share) => share > least).length;
  return { dx: Int16Array.from(column(0)), dy: Int16Array.from(column(1)), disc, ring: Uint8Array.from(column(3)), reach, whole: above(254), half: above(127) };
}

/** `over` on `under`; `alpha` of 255 covers it. Red and blue go together in one multiplication. */
function blend(under: number, over: number, alpha: number): number {
  const keep = 256 - alpha;
  const rb = (((under & 0xff00ff) * keep + (over & 0xff00ff) * alpha) >>> 8) & 0xff00ff;
  const g = (((under >>> 8) & 255) * keep + ((over >>> 8) & 255) * alpha) >>> 8;
  return 0xff000000 | rb | (g << 8);
}

/** Instead of a place in the picture: a dot that reaches over its edge, and one that is out of sight. */
export const EDGE = -1;
export const OUT = -2;

export interface Dots {
  /** rows to draw, the last on top */
  order: Uint32Array;
  colour: Uint32Array;
  /** pixel of each row's centre, `EDGE` or `OUT` */
  middle: Int32Array;
  /** centre of a row that is at an edge */
  centre: (row: number) => [x: number, y: number];
}

export interface Picture {
  image: ImageData;
  /** row of the dot that owns each pixel, or -1 */
  owner: Int32Array;
}

/** The pixels of a dot that are within the picture: place, and number in the stamp. */
function* clipped([cx, cy]: [number, number], { dx, dy }: Stamp, width: number, height: number): Generator<[at: number, s: number]> {
  for (let s = 0; s < dx.length; s++) {
    const x = cx + dx[s]!;
    const y = cy + dy[s]!;
    if (x >= 0 && y >= 0 && x < width && y < height) yield [y * width + x, s];
  }
}

/** A pixel at the edge of a dot: under its ring the background, over that what the dot covers of it. */
function soften(pixels: Int32Array, at: number, background: number, colour: number, cover: number, halo: number): void {
  const under = halo === 255 ? background : blend(pixels[at]!, background, halo);
  pixels[at] = cover ? blend(under, colour, cover) : under;
}

/** Few dots with soft edges; a plain loop, which a browser makes fast sooner than one that calls what it closes over. */
function few(pixels: Int32Array, owner: Int32Array, { width, height }: ImageData, background: number, { order, colour: colours, middle, centre }: Dots, stamp: Stamp): void {
  const { disc, ring: halo, whole, half } = stamp;
  const step = stepsOf(stamp, width);
  const n = step.length;
  pixels.fill(background);
  for (let i = 0; i < order.length; i++) {
    const row = order[i]!;
    const at = middle[row]!;
    const colour = colours[row]! | 0;
    if (at >= 0) {
      for (let s = 0; s < whole; s++) pixels[at + step[s]!] = colour;
      for (let s = whole; s < n; s++) soften(pixels, at + step[s]!, background, colour, disc[s]!, halo[s]!);
      for (let s = 0; s < half; s++) owner[at + step[s]!] = row;
    } else if (at === EDGE) {
      for (const [pixel, s] of clipped(centre(row), stamp, width, height)) {
        if (s < whole) pixels[pixel] = colour;
        else soften(pixels, pixel, background, colour, disc[s]!, halo[s]!);
        if (s < half) owner[pixel] = row;
      }
    }
  }
}

/** From the pixel of a dot's centre to those of its stamp. */
const stepsOf = ({ dx, dy }: Stamp, width: number) => Int32Array.from(dx, (x, s) => dy[s]! * width + x);

/** Many dots without soft edges: first whose each pixel is, then all colours at once. */
function crowd(pixels: Int32Array, owner: Int32Array, { width, height }: ImageData, background: number, { order, colour, middle, centre }: Dots, stamp: Stamp): void {
  const step = stepsOf(stamp, width);
  const n = step.length;
  for (let i = 0; i < order.length; i++) {
    const row = order[i]!;
    const at = middle[row]!;
    if (at >= 0) for (let s = 0; s < n; s++) owner[at + step[s]!] = row;
    else if (at === EDGE) for (const [pixel] of clipped(centre(row), stamp, width, height)) owner[pixel] = row;
  }
  for (let at = 0; at < owner.length; at++) {
    const row = owner[at]!;
    pixels[at] = row < 0 ? background : colour[row]! | 0;
  }
}

/** Draws into the buffers of `before` where that is a picture of the same size. */
export function splat(width: number, height: number, background: number, dots: Dots, stamp: Stamp, before: Picture | null = null): Picture {
  const again = before?.image.width === width && before.image.height === height ? before : null;
  const image = again?.image ?? new ImageData(width, height);
  const pixels = new Int32Array(image.data.buffer);
  const owner = (again?.owner ?? new Int32Array(width * height)).fill(-1);
  // Signed numbers stay small integers in the engine.
  (isCrowd(dots.order) ? crowd : few)(pixels, owner, image, background | 0, dots, stamp);
  return { image, owner };
}
