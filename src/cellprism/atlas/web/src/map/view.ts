// Where the map's coordinates (0..65535) fall on the screen.
import { onMap, type FeatureMap } from "../data/columns";

/** Magnification and the point of the map in the middle of the picture. */
export interface View {
  zoom: number;
  x: number;
  y: number;
}

export interface Extent {
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}

export interface Size {
  width: number;
  height: number;
}

export function extentOf(map: FeatureMap): Extent {
  const extent = { x0: Infinity, x1: -Infinity, y0: Infinity, y1: -Infinity };
  for (let i = 0; i < map.n; i++) {
    if (!onMap(map, i)) continue;
    extent.x0 = Math.min(extent.x0, map.x[i]!);
    extent.x1 = Math.max(extent.x1, map.x[i]!);
    extent.y0 = Math.min(extent.y0, map.y[i]!);
    extent.y1 = Math.max(extent.y1, map.y[i]!);
  }
  return extent.x0 <= extent.x1 ? extent : { x0: 0, x1: 65535, y0: 0, y1: 65535 };
}

export const home = (extent: Extent): View => ({
  zoom: 1,
  x: (extent.x0 + extent.x1) / 2,
  y: (extent.y0 + extent.y1) / 2,
});

/** Pixels per unit of the map: at zoom 1 everything fits, with a margin, and both axes have one scale. */
export function scaleOf(extent: Extent, size: Size, view: View, margin: number): number {
  const wide = Math.max(1, size.width - 2 * margin) / Math.max(1, extent.x1 - extent.x0);
  const high = Math.max(1, size.height - 2 * margin) / Math.max(1, extent.y1 - extent.y0);
  return Math.min(wide, high) * view.zoom;
}

export interface Placed {
  x: Float32Array;
  y: Float32Array;
}

/** Where a point of the map is in pixels. */
export type Spot = (x: number, y: number) => { x: number; y: number };

export const spotOf = (view: Pick<View, "x" | "y">, scale: number, size: Size): Spot => (x, y) =>
  ({ x: size.width / 2 + (x - view.x) * scale, y: size.height / 2 - (y - view.y) * scale });

/** Places of all rows in pixels; the map's y axis points up. */
export function place(map: FeatureMap, view: Pick<View, "x" | "y">, scale: number, size: Size): Placed {
  const x = new Float32Array(map.n);
  const y = new Float32Array(map.n);
  for (let i = 0; i < map.n; i++) {
    x[i] = size.width / 2 + (map.x[i]! - view.x) * scale;
    y[i] = size.height / 2 - (map.y[i]! - view.y) * scale;
  }
  return { x, y };
}

/** The view after zooming by `factor` with the point of the screen at (px, py) held still. */
export function zoomAt(view: View, factor: number, px: number, py: number, scale: number, size: Size): View {
  const zoom = Math.min(60, Math.max(0.5, view.zoom * factor));
  const shift = 1 / scale - view.zoom / (zoom * scale);
  return { zoom, x: view.x + (px - size.width / 2) * shift, y: view.y - (py - size.height / 2) * shift };
}

export const encodeView = (view: View) => `${view.zoom.toFixed(2)},${Math.round(view.x)},${Math.round(view.y)}`;

export function decodeView(text: string | undefined): View | null {
  const [zoom, x, y] = (text ?? "").split(",").map(Number);
  return zoom && Number.isFinite(x) && Number.isFinite(y) ? { zoom, x: x!, y: y! } : null;
}
