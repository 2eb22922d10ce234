// Drag, wheel and pinch: what fingers and mice do to the view.
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface Gestures {
  pan: (dx: number, dy: number) => void;
  zoom: (factor: number, x: number, y: number) => void;
  hover: (x: number, y: number) => void;
  leave: () => void;
  tap: (x: number, y: number, touch: boolean) => void;
  settle: () => void;
  /** whether a drag draws an outline instead of moving the map */
  drawing: boolean;
  /** a corner of the outline; the first one begins it */
  draw: (x: number, y: number, first: boolean) => void;
  drawn: () => void;
}

const TAP = 5;

export function useGestures(target: RefObject<HTMLElement>, gestures: Gestures): void {
  const latest = useRef(gestures);
  latest.current = gestures;
  useEffect(() => {
    const element = target.current;
    if (!element) return;
    const down = new Map<number, { x: number; y: number }>();
    let moved = 0;
    let timer = 0;
    let outline = false;
    const local = (event: MouseEvent): [number, number] => {
      const box = element.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const press = (event: PointerEvent) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (down.size !== 1) return;
      moved = 0;
      outline = latest.current.drawing || event.shiftKey;
      if (outline) latest.current.draw(...local(event), true);
    };
    const move = (event: PointerEvent) => {
      const last = down.get(event.pointerId);
      if (!last) return latest.current.hover(...local(event));
      const dx = event.clientX - last.x;
      const dy = event.clientY - last.y;
      const others = [...down].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      moved += Math.hypot(dx, dy);
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
      const other = others[0];
      if (outline) latest.current.draw(...local(event), false);
      else if (other) {
        const before = Math.hypot(last.x - other.x, last.y - other.y);
        const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
        latest.current.zoom(after / Math.max(1, before), ...local(event));
      } else if (moved > TAP) latest.current.pan(dx, dy);
    };
    const release = (event: PointerEvent) => {
      if (!down.delete(event.pointerId) || down.size) return;
      if (outline) latest.current.drawn();
      else if (moved <= TAP && event.type === "pointerup") latest.current.tap(...local(event), event.pointerType === "touch");
      else latest.current.settle();
    };
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      latest.current.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...local(event));
      clearTimeout(timer);
      timer = window.setTimeout(() => latest.current.settle(), 250);
    };
    const leave = () => latest.current.leave();
    element.addEventListener("pointerdown", press);
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", release);
    element.addEventListener("pointercancel", release);
    element.addEventListener("pointerleave", leave);
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      clearTimeout(timer);
      element.removeEventListener("pointerdown", press);
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", release);
      element.removeEventListener("pointercancel", release);
      element.removeEventListener("pointerleave", leave);
      element.removeEventListener("wheel", wheel);
    };
  }, []);
}
