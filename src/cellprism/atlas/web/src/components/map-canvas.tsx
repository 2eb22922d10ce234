// The map of a layer: dots, names, the dot under the pointer, and the same by keyboard.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { onMap, type FeatureMap } from "../data/columns";
import type { Words } from "../lib/run";
import { framed, overlay } from "../lib/drawing";
import { hex } from "../lib/palette";
import { arrange, type Name } from "../map/labels";
import { simplify, type Outline } from "../map/filter";
import { step } from "../map/nearest";
import { useGestures } from "../map/pointer";
import { Painter } from "../map/painter";
import { sameShot, type Scene, type Shot } from "../map/scene";
import type { Picture } from "../map/splat";
import { extentOf, home, place, scaleOf, spotOf, zoomAt, type Placed, type Size, type Spot, type View } from "../map/view";
import { HoverCard, labelOf } from "./hover-card";
import { Icon } from "./icon";
import { SvgButton } from "./take";

const MARGIN = 36;
const CORNERS = 60;
/** Rows among which a dot is looked for that tests can point at. */
const SAMPLED = 5000;
/** Milliseconds without a new picture after which the map is at rest. */
const SETTLED = 80;

interface Props {
  map: FeatureMap;
  layer: number;
  words: Words;
  scene: Scene;
  background: string;
  /** 1 where a row passes the filter */
  passes: Uint8Array;
  /** null until they are known, which is after the picture */
  names: ((at: Placed, spot: Spot) => Name[]) | null;
  selected: number | null;
  /** what the map shows, for its picture */
  caption: string;
  start: View | null;
  /** the outline drawn around features, in the map's coordinates */
  outline: Outline | null;
  onOutline: (outline: Outline | null) => void;
  onSelect: (row: number) => void;
  onOpen: (row: number) => void;
  onView: (view: View) => void;
  /** the picture is on the screen */
  onDrawn: () => void;
}

/** A dot of which every pixel in sight is its own, for tests that point at it. */
function sample(map: FeatureMap, at: Placed, passes: Uint8Array, size: Size, ratio: number, picture: Picture): string {
  const near = [0, -2, 2].map((d) => Math.round(d * ratio));
  for (let row = 0; row < Math.min(map.n, SAMPLED); row++) {
    const [x, y] = [at.x[row]!, at.y[row]!];
    if (!passes[row] || x < 60 || y < 60 || x > size.width - 60 || y > size.height - 60) continue;
    const own = near.every((dx) => near.every((dy) =>
      picture.owner[(Math.round(y * ratio) + dy) * picture.image.width + Math.round(x * ratio) + dx] === row));
    if (own) return JSON.stringify({ feature: map.feature[row], x: Math.round(x), y: Math.round(y) });
  }
  return "";
}

/** Within the map's coordinates, with room on each side. */
const clamp = (value: number) => Math.min(70_000, Math.max(0, Math.round(value)));

export function MapCanvas(props: Props) {
  const { map, layer, words, scene, background, passes, selected } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const over = useRef<SVGSVGElement>(null);
  const picture = useRef<Picture | null>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const [hovered, setHovered] = useState<number | null>(null);
  const [drawing, setDrawing] = useState(false);
  const [line, setLine] = useState<Outline>([]);
  const extent = useMemo(() => extentOf(map), [map]);
  const [view, setView] = useState<View>(props.start ?? home(extent));
  /** what the picture on the canvas shows; names and rings follow it, not the view that is still being drawn */
  const [seen, setSeen] = useState<Shot | null>(null);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      setSize((old) => (old.width === Math.floor(width) && old.height === Math.floor(height) ? old : { width: Math.floor(width), height: Math.floor(height) }));
    });
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);

  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const scale = scaleOf(extent, size, view, MARGIN);
  const [at, spot] = useMemo((): [Placed, Spot] => {
    const there = seen ? { width: seen.width / ratio, height: seen.height / ratio } : size;
    const where = [seen ?? view, seen ? seen.scale / ratio : scale, there] as const;
    return [place(map, ...where), spotOf(...where)];
  }, [map, seen, ratio]);
  const { order } = scene;
  const written = useMemo(
    () => (seen && props.names ? arrange(props.names(at, spot), size.width, size.height, size.width < 520 ? 7 : 16) : []),
    [props.names, at, size],
  );
  const radius = Math.min(9, Math.max(1.6, 90 / Math.sqrt(map.n)) * view.zoom ** 0.35) * (size.width < 520 ? 0.8 : 1);

  const painter = useRef<Painter | null>(null);
  const settled = useRef<ReturnType<typeof setTimeout>>();
  const drawn = useRef<(picture: Picture, shot: Shot) => void>(() => undefined);
  drawn.current = (done, shot) => {
    const target = canvas.current!;
    // To set its size empties a canvas, even if it had that size.
    if (target.width !== done.image.width) target.width = done.image.width;
    if (target.height !== done.image.height) target.height = done.image.height;
    target.getContext("2d")!.putImageData(done.image, 0, 0);
    picture.current = done;
    setSeen((old) => (old && sameShot(old, shot) ? old : shot));
    target.dataset["points"] = String(order.length);
    props.onDrawn();
    clearTimeout(settled.current);
    settled.current = setTimeout(() => {
      const there = { width: shot.width / ratio, height: shot.height / ratio };
      target.dataset["sample"] = sample(map, place(map, shot, shot.scale / ratio, there), passes, there, ratio, done);
    }, SETTLED);
  };
  useEffect(() => {
    painter.current = new Painter((done, shot) => drawn.current(done, shot));
    return () => {
      clearTimeout(settled.current);
      painter.current?.close();
    };
  }, []);
  // Before the next frame: the worker draws while the page is laid out.
  useLayoutEffect(() => {
    if (!size.width || !size.height) return;
    painter.current?.draw(scene, {
      width: Math.round(size.width * ratio), height: Math.round(size.height * ratio), x: view.x, y: view.y, scale: scale * ratio,
      radius: radius * ratio, ring: ratio,
    });
  }, [scene, view, scale, size, ratio, radius]);

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
    drawing,
    draw: (x, y, first) => setLine((old) => [...(first ? [] : old), [x, y]]),
    drawn: () => {
      const corners = simplify(line, CORNERS).map(([x, y]): [number, number] => [view.x + (x - size.width / 2) / scale, view.y - (y - size.height / 2) / scale]);
      setLine([]);
      setDrawing(false);
      if (line.length > 4) props.onOutline(corners.map(([x, y]) => [clamp(x), clamp(y)]));
    },
  });
  const takeView = () => {
    const [w, h] = [size.width / 2 / scale, size.height / 2 / scale];
    const [x0, x1, y0, y1] = [view.x - w, view.x + w, view.y - h, view.y + h].map(clamp) as [number, number, number, number];
    props.onOutline([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]);
  };
  const shift = (next: View) => {
    setView(next);
    props.onView(next);
  };
  const zoomButton = (factor: number) =>
    shift(zoomAt(view, factor, size.width / 2, size.height / 2, scale, size));
  const keyboard = (event: KeyboardEvent) => {
    if (event.key === "Enter" && selected !== null) props.onOpen(selected);
    if (event.key === "+" || event.key === "-") zoomButton(event.key === "+" ? 1.4 : 1 / 1.4);
    if (event.key === "v") takeView();
    if (event.key === "Escape" && props.outline) props.onOutline(null);
    const next = step(event.key, selected, order.filter((i) => passes[i]), at, [size.width / 2, size.height / 2]);
    if (event.key.startsWith("Arrow")) event.preventDefault();
    if (next !== null) props.onSelect(next);
  };
  const draw = (caption: string) => {
    const r = radius.toFixed(2);
    const dots = Array.from(order, (i) => `<circle cx="${at.x[i]!.toFixed(1)}" cy="${at.y[i]!.toFixed(1)}" r="${r}" fill="${hex(scene.colour[i]!)}"/>`);
    const clip = `<clipPath id="map"><rect width="${size.width}" height="${size.height}"/></clipPath>`;
    return framed(`${clip}<g clip-path="url(#map)"><g stroke="${background}" stroke-width="1">${dots.join("")}</g>${overlay(over.current!)}</g>`, size, caption);
  };
  const onScreen = (outline: Outline) =>
    outline.map(([x, y]) => `${(size.width / 2 + (x - view.x) * scale).toFixed(1)},${(size.height / 2 - (y - view.y) * scale).toFixed(1)}`).join(" ");
  const shown = hovered ?? selected;
  const ring = (row: number, name: string) =>
    onMap(map, row) && <circle class={name} cx={at.x[row]} cy={at.y[row]} r={radius + 3} />;
  return (
    <div class="map">
      <div class={`map-frame ${drawing ? "drawing" : hovered === null ? "" : "pointing"}`} ref={frame}>
        <canvas
          ref={canvas} data-testid="map" tabIndex={0} role="application" onKeyDown={keyboard}
          aria-label={`Map of ${order.length} features of layer ${layer}. Arrow keys go to the nearest feature in that direction, Enter opens it, plus and minus zoom, v takes the features in view.`}
        />
        <svg class="map-over" ref={over} width={size.width} height={size.height} aria-hidden="true">
          {props.outline && <polygon class="outline" points={onScreen(props.outline)} />}
          {line.length > 1 && <polygon class="outline" points={line.map((corner) => corner.join(",")).join(" ")} />}
          {written.map(({ dot }) => dot && <circle class="ring ring-named" cx={dot[0]} cy={dot[1]} r={radius + 1} />)}
          {written.map((name) => <text class={name.strong ? "strong" : ""} x={name.x} y={name.y} text-anchor="middle">{name.text}</text>)}
          {selected !== null && ring(selected, "ring")}
          {hovered !== null && ring(hovered, "ring ring-hover")}
        </svg>
        {shown !== null && onMap(map, shown) && seen && !line.length && (
          <HoverCard {...{ map, layer, words }} row={shown} x={at.x[shown]!} y={at.y[shown]!} {...size} />
        )}
      </div>
      <div class="map-buttons">
        <button type="button" aria-label="Zoom in" onClick={() => zoomButton(1.5)}><Icon name="plus" /></button>
        <button type="button" aria-label="Zoom out" onClick={() => zoomButton(1 / 1.5)}><Icon name="minus" /></button>
        <button type="button" aria-label="Show the whole map" onClick={() => shift(home(extent))}><Icon name="home" /></button>
        <button type="button" aria-label="Draw around features" title="Draw around features (or hold Shift)" aria-pressed={drawing} onClick={() => setDrawing(!drawing)}><Icon name="lasso" /></button>
        <button type="button" aria-label="Take the features in view" title="Take the features in view (v)" onClick={takeView}><Icon name="frame" /></button>
        <SvgButton name={["map", layer]} what="the map" caption={props.caption} draw={draw} />
      </div>
      <p class="sr" aria-live="polite">
        {selected !== null && `Feature ${map.feature[selected]}, ${labelOf(map, selected, words) ?? "not annotated"}`}
      </p>
    </div>
  );
}
