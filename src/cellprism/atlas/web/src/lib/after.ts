// What stands around a picture comes after it: the picture is what a reader waits for.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Milliseconds after which the rest of the page no longer waits, so that it keeps up while somebody drags. */
const PATIENCE = 100;

/** Calls `then` when the next frame is on the screen; gives what calls it off. */
export function afterFrame(then: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const frame = requestAnimationFrame(() => (timer = setTimeout(then)));
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}

/** How many of the `n` parts of a page to draw: one more after each frame, so that none holds up those above it. */
export function useParts(n: number): number {
  const [drawn, draw] = useState(1);
  useEffect(() => (drawn < n ? afterFrame(() => draw(drawn + 1)) : undefined), [drawn, n]);
  return drawn;
}

/** What may come a frame after what stands above it. */
export const Later = ({ children }: { children: () => ComponentChildren }) => (useParts(2) > 1 ? children() : null);

/**
 * `value` once its picture is drawn, until then the value before it, at first null or, `atOnce`, the first value; and what
 * the picture calls when it is drawn.
 * A value with the same picture as the last one is given at once.
 */
export function useAfter<T>(value: T, picture: unknown, atOnce: boolean): [T | null, () => void] {
  const [shown, setShown] = useState<unknown>(null);
  const kept = useRef<T | null>(null);
  const latest = useRef(picture);
  const drawn = useRef<unknown>(null);
  const since = useRef<number | null>(null);
  const frame = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  latest.current = picture;
  if (shown === picture || (atOnce && kept.current === null)) kept.current = value;
  const forget = () => {
    cancelAnimationFrame(frame.current);
    clearTimeout(timer.current);
  };
  const show = () => {
    forget();
    since.current = null;
    setShown(latest.current);
  };
  const tell = () => {
    drawn.current = latest.current;
    cancelAnimationFrame(frame.current);
    // After the frame that shows the picture.
    frame.current = requestAnimationFrame(() => {
      clearTimeout(timer.current);
      timer.current = setTimeout(show, 0);
    });
  };
  useLayoutEffect(() => {
    // A picture that was drawn at once has told so already.
    if (shown === picture || drawn.current === picture) return;
    since.current ??= performance.now();
    forget();
    timer.current = setTimeout(show, Math.max(0, since.current + PATIENCE - performance.now()));
  }, [picture]);
  useEffect(() => forget, []);
  return [kept.current, tell];
}
