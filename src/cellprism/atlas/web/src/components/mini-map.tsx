// A small picture of a layer's map.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { onMap, type FeatureMap } from "../data/columns";
import { pixel } from "../lib/palette";
import { splat } from "../map/splat";
import { extentOf, home, place, scaleOf } from "../map/view";

interface Props {
  map: FeatureMap;
  colour: Uint32Array;
  background: string;
  /** rows in grey go under the others */
  under: (row: number) => boolean;
}

export function MiniMap({ map, colour, background, under }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const rows = useMemo(() => {
    const all = Array.from({ length: map.n }, (_, i) => i).filter((i) => onMap(map, i));
    return Uint32Array.from([...all.filter(under), ...all.filter((i) => !under(i))]);
  }, [map]);
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
    const extent = extentOf(map);
    const view = home(extent);
    const at = place(map, view, scaleOf(extent, whole, view, 10 * ratio), whole);
    target.width = whole.width;
    target.height = whole.height;
    const radius = Math.max(1.1, Math.min(2.6, 55 / Math.sqrt(map.n))) * ratio;
    const ring = radius > 1.5 * ratio ? 0.5 * ratio : 0; // around the smallest dots it would leave nothing of their neighbours
    const { image } = splat(whole.width, whole.height, pixel(background), { order: rows, colour, ...at }, radius, ring);
    target.getContext("2d")!.putImageData(image, 0, 0);
  }, [map, colour, background, size, rows]);
  return <canvas class="mini-map" ref={canvas} aria-hidden="true" />;
}
