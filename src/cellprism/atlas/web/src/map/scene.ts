// What is drawn of a map and from where; the same code in the worker and, where there is none, on the page.
import { EDGE, isCrowd, OUT, splat, stampOf, type Picture, type Stamp } from "./splat";

/** What stays the same while the view moves. */
export interface Scene {
  x: Uint16Array;
  y: Uint16Array;
  colour: Uint32Array;
  /** rows to draw, the last on top */
  order: Uint32Array;
  background: number;
}

/** In device pixels. */
export interface Shot {
  width: number;
  height: number;
  /** the map's point in the middle of the picture, and pixels per unit */
  x: number;
  y: number;
  scale: number;
  radius: number;
  ring: number;
}

/** Where the dots of a shot lie: new colours do not move them. */
interface Laid {
  x: Uint16Array;
  shot: Shot;
  hard: boolean;
  stamp: Stamp;
  middle: Int32Array;
}

export const sameShot = (a: Shot, b: Shot) => (Object.keys(a) as (keyof Shot)[]).every((key) => a[key] === b[key]);

const centreOf = ({ x, y }: Scene, shot: Shot, row: number): [number, number] => [
  Math.round(Math.fround(shot.width / 2 + (x[row]! - shot.x) * shot.scale)), Math.round(Math.fround(shot.height / 2 - (y[row]! - shot.y) * shot.scale)),
];

function laid(scene: Scene, shot: Shot, hard: boolean): Laid {
  const { width, height } = shot;
  const stamp = stampOf(shot.radius, shot.ring, hard);
  const { reach } = stamp;
  const middle = new Int32Array(scene.x.length);
  const [halfX, halfY, scale, left, low] = [width / 2, height / 2, shot.scale, shot.x, shot.y];
  for (let row = 0; row < middle.length; row++) {
    const cx = Math.round(Math.fround(halfX + (scene.x[row]! - left) * scale));
    const cy = Math.round(Math.fround(halfY - (scene.y[row]! - low) * scale));
    const whole = cx >= reach && cy >= reach && cx < width - reach && cy < height - reach;
    middle[row] = whole ? cy * width + cx : cx < -reach || cy < -reach || cx >= width + reach || cy >= height + reach ? OUT : EDGE;
  }
  return { x: scene.x, shot, hard, stamp, middle };
}

/** Paints one picture after another, and keeps what the next one may need again. */
export class Brush {
  private last: Laid | null = null;
  private before: Picture | null = null;

  /** `anew`: the picture is given away, so that its buffers are not used again. */
  paint(scene: Scene, shot: Shot, anew: boolean): Picture {
    const hard = isCrowd(scene.order);
    const { last } = this;
    const own = last && last.x === scene.x && last.hard === hard && sameShot(last.shot, shot) ? last : laid(scene, shot, hard);
    this.last = own;
    const { middle, stamp } = own;
    const picture = splat(shot.width, shot.height, scene.background, { order: scene.order, colour: scene.colour, middle, centre: (row) => centreOf(scene, shot, row) }, stamp, this.before);
    this.before = anew ? null : picture;
    return picture;
  }
}
