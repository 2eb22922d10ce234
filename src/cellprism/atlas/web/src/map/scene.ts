// What is drawn of a map and from where; the same code in the worker and, where there is none, on the page.
import { splat, type Picture } from "./splat";

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

export function paint(scene: Scene, shot: Shot): Picture {
  const n = scene.x.length;
  const x = new Float32Array(n);
  const y = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    x[i] = shot.width / 2 + (scene.x[i]! - shot.x) * shot.scale;
    y[i] = shot.height / 2 - (scene.y[i]! - shot.y) * shot.scale;
  }
  return splat(shot.width, shot.height, scene.background, { order: scene.order, x, y, colour: scene.colour }, shot.radius, shot.ring);
}
