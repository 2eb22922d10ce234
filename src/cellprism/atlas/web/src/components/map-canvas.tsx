// The map of a layer: dots, names, the dot under the pointer, and the same by keyboard.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { onMap, type FeatureMap } from "../data/columns";
import type { Words } from "../lib/run";
import { framed, overlay } from "../lib/drawing";
import { hex, pixel } from "../lib/palette";
import { isDead } from "../map/colouring";
import { arrange, type Name } from "../map/labels";
import { step } from "../map/nearest";
import { useGestures } from "../map/pointer";
import { splat, type Picture } from "../map/splat";
import { extentOf, home, place, scaleOf, zoomAt, type Placed, type Size, type View } from "../map/view";
import { HoverCard, labelOf } from "./hover-card";
import { Icon } from "./icon";
import { SvgButton } from "./take";

const MARGIN = 36;

interface Props {
  map: FeatureMap;
  layer: number;
  words: Words;
  colour: Uint32Array;
  muted: string;
  background: string;
  /** 1 where a row passes the filter */
  passes: Uint8Array;
  names: (at: Placed) => Name[];
  selected: number | null;
  /** what the map shows, for its picture */
  caption: string;
  start: View | null;
  onSelect: (row: number) => void;
  onOpen: (row: number) => void;
  onView: (view: View) => void;
}

/** A dot of which every pixel in sight is its own, for tests that point at it. */
function sample(map: FeatureMap, at: Placed, passes: Uint8Array, size: Size, ratio: number, picture: Picture): string {
  const near = [0, -2, 2].map((d) => Math.round(d * ratio));
  for (let row = 0; row < map.n; row++) {
    const [x, y] = [at.x[row]!, at.y[row]!];
    if (!passes[row] || x < 60 || y < 60 || x > size.width - 60 || y > size.height - 60) continue;
    const own = near.every((dx) => near.every((dy) =>
      picture.owner[(Math.round(y * ratio) + dy) * picture.image.width + Math.round(x * ratio) + dx] === row));
    if (own) return JSON.stringify({ feature: map.feature[row], x: Math.round(x), y: Math.round(y) });
  }
  return "";
}

export function MapCanvas(props: Props) {
  const { map, layer, words, colour, muted, background, passes, selected } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const over = useRef<SVGSVGElement>(null);
  const picture = useRef<Picture | null>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const [hovered, setHovered] = useState<number | null>(null);
  const extent = useMemo(() => extentOf(map), [map]);
  const [view, setView] = useState<View>(props.start ?? home(extent));
  const drawn = useRef(map);
  useEffect(() => {
    if (drawn.current !== map) setView(props.start ?? home(extent));
    drawn.current = map;
    setHovered(null);
  }, [map]);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      setSize({ width: Math.floor(width), height: Math.floor(height) });
    });
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);

  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const scale = scaleOf(extent, size, view, MARGIN);
  const at = useMemo(() => place(map, view, scale, size), [map, view, scale, size]);
  const grey = pixel(muted);
  const shades = useMemo(() => colour.map((value, i) => (passes[i] ? value : grey)), [colour, passes, grey]);
  // Grey dots go under the others.
  const order = useMemo(() => {
    const rows = Array.from({ length: map.n }, (_, i) => i).filter((i) => onMap(map, i) && !isDead(map, i));
    return Uint32Array.from([...rows.filter((i) => shades[i] === grey), ...rows.filter((i) => shades[i] !== grey)]);
  }, [map, shades, grey]);
  const bright = useMemo(() => order.filter((i) => passes[i]), [order, passes]);
  const written = useMemo(
    () => (size.width ? arrange(props.names(at), size.width, size.height, size.width < 520 ? 7 : 16) : []),
    [props.names, at, size],
  );
  const radius = Math.min(9, Math.max(1.6, 90 / Math.sqrt(map.n)) * view.zoom ** 0.35) * (size.width < 520 ? 0.8 : 1);

  useEffect(() => {
    const target = canvas.current!;
    if (!size.width || !size.height) return;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    target.width = width;
    target.height = height;
    const dots = { order, colour: shades, x: at.x.map((x) => x * ratio), y: at.y.map((y) => y * ratio) };
    const done = splat(width, height, pixel(background), dots, radius * ratio, ratio);
    target.getContext("2d")!.putImageData(done.image, 0, 0);
    picture.current = done;
    target.dataset["points"] = String(order.length);
    target.dataset["sample"] = sample(map, at, passes, size, ratio, done);
  }, [at, order, shades, background, size, ratio, radius]);

  const rowAt = (x: number, y: number): number | null => {
    const { image, owner } = picture.current ?? {};
    if (!image || !owner) return null;
    // A few pixels of grace around a dot, nearest first.
    for (const reach of [0, 3, 6]) {
      for (const [dx, dy] of [[0, 0], [reach, 0], [-reach, 0], [0, reach], [0, -reach]] as const) {
        const row = owner[Math.round((y + dy) * ratio) * image.width + Math.round((x + dx) * ratio)];
        if (row !== undefined && row >= 0) return row;
      }
    }
    return null;
  };
  const zoom = (factor: number, x = size.width / 2, y = size.height / 2) =>
    setView((old) => zoomAt(old, factor, x, y, scaleOf(extent, size, old, MARGIN), size));
  useGestures(frame, {
    pan: (dx, dy) => setView((old) => ({ ...old, x: old.x - dx / scale, y: old.y + dy / scale })),
    zoom,
    hover: (x, y) => setHovered(rowAt(x, y)),
    leave: () => setHovered(null),
    tap: (x, y, touch) => {
      const row = rowAt(x, y);
      // A finger cannot hover: its first tap shows the card, the second opens the page.
      if (row !== null && (!touch || row === selected)) props.onOpen(row);
      else if (row !== null) props.onSelect(row);
    },
    settle: () => props.onView(view),
  });
  const shift = (next: View) => {
    setView(next);
    props.onView(next);
  };
  const zoomButton = (factor: number) =>
    shift(zoomAt(view, factor, size.width / 2, size.height / 2, scale, size));
  const keyboard = (event: KeyboardEvent) => {
    if (event.key === "Enter" && selected !== null) props.onOpen(selected);
    if (event.key === "+" || event.key === "-") zoomButton(event.key === "+" ? 1.4 : 1 / 1.4);
    const next = step(event.key, selected, bright, at, [size.width / 2, size.height / 2]);
    if (event.key.startsWith("Arrow")) event.preventDefault();
    if (next !== null) props.onSelect(next);
  };
  const draw = (caption: string) => {
    const r = radius.toFixed(2);
    const dots = Array.from(order, (i) => `<circle cx="${at.x[i]!.toFixed(1)}" cy="${at.y[i]!.toFixed(1)}" r="${r}" fill="${hex(shades[i]!)}"/>`);
    const clip = `<clipPath id="map"><rect width="${size.width}" height="${size.height}"/></clipPath>`;
    return framed(`${clip}<g clip-path="url(#map)"><g stroke="${background}" stroke-width="1">${dots.join("")}</g>${overlay(over.current!)}</g>`, size, caption);
  };
  const shown = hovered ?? selected;
  const ring = (row: number, name: string) =>
    onMap(map, row) && <circle class={name} cx={at.x[row]} cy={at.y[row]} r={radius + 3} />;
  return (
    <div class="map">
      <div class={hovered === null ? "map-frame" : "map-frame pointing"} ref={frame}>
        <canvas
          ref={canvas} data-testid="map" tabIndex={0} role="application" onKeyDown={keyboard}
          aria-label={`Map of ${order.length} features of layer ${layer}. Arrow keys go to the nearest feature in that direction, Enter opens it, plus and minus zoom.`}
        />
        <svg class="map-over" ref={over} width={size.width} height={size.height} aria-hidden="true">
          {written.map((name) => <text x={name.x} y={name.y} text-anchor="middle">{name.text}</text>)}
          {selected !== null && ring(selected, "ring")}
          {hovered !== null && ring(hovered, "ring ring-hover")}
        </svg>
        {shown !== null && onMap(map, shown) && size.width > 0 && (
          <HoverCard {...{ map, layer, words }} row={shown} x={at.x[shown]!} y={at.y[shown]!} {...size} />
        )}
      </div>
      <div class="map-buttons">
        <button type="button" aria-label="Zoom in" onClick={() => zoomButton(1.5)}><Icon name="plus" /></button>
        <button type="button" aria-label="Zoom out" onClick={() => zoomButton(1 / 1.5)}><Icon name="minus" /></button>
        <button type="button" aria-label="Show the whole map" onClick={() => shift(home(extent))}><Icon name="home" /></button>
        <SvgButton name={["map", layer]} what="the map" caption={props.caption} draw={draw} />
      </div>
      <p class="sr" aria-live="polite">
        {selected !== null && `Feature ${map.feature[selected]}, ${labelOf(map, selected, words) ?? "not annotated"}`}
      </p>
    </div>
  );
}
