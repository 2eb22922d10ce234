// The distribution of a number over the features of a layer, and the range of it that passes.
import { useRef } from "preact/hooks";
import { BINS, bound, place, type Range, type Scale } from "../map/filter";
import type { NumberColumn } from "../map/numbers";

interface Props {
  column: NumberColumn;
  scale: Scale;
  all: Uint32Array;
  /** of the features that pass every other filter */
  passing: Uint32Array;
  range: Range | undefined;
  onRange: (range: Range) => void;
}

const H = 44;

export function Brush({ column, scale, all, passing, range, onRange }: Props) {
  const bars = useRef<SVGSVGElement>(null);
  const started = useRef<number | null>(null);
  const first = place(scale, range?.[0] ?? null, 0);
  const last = place(scale, range?.[1] ?? null, BINS);
  const most = Math.sqrt(Math.max(...all, 1));
  const tall = (n: number) => (n ? Math.max(1, (H * Math.sqrt(n)) / most) : 0);
  const set = (a: number, b: number) => onRange([bound(scale, Math.min(a, b)), bound(scale, Math.max(a, b))]);
  const bin = (event: PointerEvent) => {
    const box = bars.current!.getBoundingClientRect();
    return Math.min(BINS, Math.max(0, Math.round(((event.clientX - box.left) / box.width) * BINS)));
  };
  const show = (i: number) => column.show(scale.edge(i));
  const slider = (name: string, value: number, change: (value: number) => void) => (
    <input
      type="range" min={0} max={BINS} step={1} value={value} aria-label={`${name} ${column.title.toLowerCase()}`} aria-valuetext={show(value)}
      onInput={(event) => change(Number(event.currentTarget.value))}
    />
  );
  return (
    <div class={range ? "brush active" : "brush"} role="group" aria-label={column.title}>
      <p class="small brush-title"><span title={column.unit}>{column.title}</span>
        {range && <button type="button" class="plain small" aria-label={`Clear ${column.title.toLowerCase()}`} onClick={() => onRange([null, null])}>clear</button>}
      </p>
      <svg
        ref={bars} viewBox={`0 0 ${BINS * 4} ${H}`} preserveAspectRatio="none" height={H} aria-hidden="true"
        onPointerDown={(event) => { started.current = bin(event); event.currentTarget.setPointerCapture(event.pointerId); }}
        onPointerMove={(event) => { if (started.current !== null && bin(event) !== started.current) set(started.current, bin(event)); }}
        onPointerUp={(event) => { if (started.current === bin(event)) onRange([null, null]); started.current = null; }}
        onPointerCancel={() => { started.current = null; }}
      >
        <rect class="brush-ground" width={BINS * 4} height={H} />
        {Array.from(all, (n, i) => (
          <>
            {n > 0 && <rect class="bin-all" x={i * 4 + 0.4} width={3.2} y={H - tall(n)} height={tall(n)} />}
            {passing[i]! > 0 && <rect class={i >= first && i < last ? "bin" : "bin bin-out"} x={i * 4 + 0.4} width={3.2} y={H - tall(passing[i]!)} height={tall(passing[i]!)} />}
          </>
        ))}
      </svg>
      <div class="brush-ends">
        {slider("Least", first, (value) => set(Math.min(value, last - 1), last))}
        {slider("Largest", last, (value) => set(first, Math.max(value, first + 1)))}
      </div>
      <p class="ticks muted"><span>{show(first)}</span><span>{show(last)}</span></p>
    </div>
  );
}
