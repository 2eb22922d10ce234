// A small picture of a layer's map, with names on it where there is room.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { onMap, type FeatureMap } from "../data/columns";
import { pixel } from "../lib/palette";
import { arrange, type Name } from "../map/labels";
import { Brush } from "../map/scene";
import { extentOf, home, scaleOf, type Size } from "../map/view";

/** What is written at a place of the map. */
export interface MapName {
  text: string;
  strong: boolean;
  x: number;
  y: number;
}

interface Props {
  map: FeatureMap;
  colour: Uint32Array;
  background: string;
  /** rows in grey go under the others */
  under: (row: number) => boolean;
  /** what is written on it, the most important first, in the map's coordinates */
  names?: MapName[];
}

const MARGIN = 10;
/** more room, so that names at the edge are not cut */
const NAMED_MARGIN = 28;

/** Of a dot, in CSS pixels. */
const radiusOf = (n: number, { width, height }: Size) => Math.max(1.1, Math.min(2.6, 55 / Math.sqrt(n))) * Math.max(1, Math.min(width / 260, height / 200)) ** 0.7;

export function MiniMap({ map, colour, background, under, names = [] }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const rows = useMemo(() => {
    const all = Array.from({ length: map.n }, (_, i) => i).filter((i) => onMap(map, i));
    return Uint32Array.from([...all.filter(under), ...all.filter((i) => !under(i))]);
  }, [map, colour]);
  const extent = useMemo(() => extentOf(map), [map]);
  const margin = names.length ? NAMED_MARGIN : MARGIN;
  useEffect(() => {
    const target = canvas.current!;
    const observer = new ResizeObserver(() => setSize({ width: target.clientWidth, height: target.clientHeight }));
    observer.observe(target);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const target = canvas.current!;
    if (!size.width) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const whole = { width: Math.round(size.width * ratio), height: Math.round(size.height * ratio) };
    const view = home(extent);
    target.width = whole.width;
    target.height = whole.height;
    const radius = radiusOf(map.n, size) * ratio;
    const ring = radius > 1.5 * ratio ? 0.5 * ratio : 0; // around the smallest dots it would leave nothing of their neighbours
    const scene = { x: map.x, y: map.y, colour, order: rows, background: pixel(background) };
    const { image } = new Brush().paint(scene, { ...whole, x: view.x, y: view.y, scale: scaleOf(extent, whole, view, margin * ratio), radius, ring }, true);
    target.getContext("2d")!.putImageData(image, 0, 0);
  }, [map, colour, background, size, rows, margin]);
  const written = useMemo(() => {
    if (!names.length || !size.width) return [];
    const view = home(extent);
    const scale = scaleOf(extent, size, view, margin);
    const placed = names.map(({ text, strong, ...at }): Name => {
      const [x, y] = [size.width / 2 + (at.x - view.x) * scale, size.height / 2 - (at.y - view.y) * scale];
      return strong ? { text, strong, x, y } : { text, strong, x, y: y - 9, dot: [x, y] };
    });
    return arrange(placed, size.width, size.height, size.width < 480 ? 8 : 14, null);
  }, [names, extent, size, margin]);
  return (
    <span class="mini-map" aria-hidden="true">
      <canvas ref={canvas} />
      {written.length > 0 && (
        <svg class="map-over" width={size.width} height={size.height}>
          {written.map(({ dot }) => dot && <circle class="ring ring-named" cx={dot[0]} cy={dot[1]} r={radiusOf(map.n, size) + 1.5} />)}
          {written.map((name) => <text class={name.strong ? "strong" : ""} x={name.x} y={name.y} text-anchor="middle">{name.text}</text>)}
        </svg>
      )}
    </span>
  );
}
