// Which dots of a map are drawn, in what colour and in what order.
import { DEAD, NONE16, type FeatureMap } from "../data/columns";
import type { Scene } from "./scene";

/** The dots of a map: grey ones, among them those that a filter leaves out, under the others. */
export function sceneOf(map: FeatureMap, colour: Uint32Array, passes: Uint8Array, grey: number, background: number): Scene {
  const shades = new Uint32Array(map.n);
  const order = new Uint32Array(map.n);
  const over = new Uint32Array(map.n);
  let n = 0;
  let bright = 0;
  for (let i = 0; i < map.n; i++) {
    const shade = passes[i] ? colour[i]! : grey;
    shades[i] = shade;
    if ((map.flags[i]! & DEAD) || (map.x[i] === NONE16 && map.y[i] === NONE16)) continue;
    if (shade === grey) order[n++] = i;
    else over[bright++] = i;
  }
  order.set(over.subarray(0, bright), n);
  return { x: map.x, y: map.y, colour: shades, order: order.subarray(0, n + bright), background };
}
