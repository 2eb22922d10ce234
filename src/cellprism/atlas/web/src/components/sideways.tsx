// What may be wider than its place: it scrolls within its own frame, says so, and can be scrolled with the keyboard.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function Sideways({ label, class: own = "", children }: { label: string; class?: string; children: ComponentChildren }) {
  const frame = useRef<HTMLDivElement>(null);
  const [more, setMore] = useState(false);
  const look = () => setMore(frame.current!.scrollWidth > frame.current!.clientWidth + 1);
  useEffect(look); // what is in it may have changed
  useEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(frame.current!);
    for (const child of frame.current!.children) observer.observe(child);
    return () => observer.disconnect();
  }, []);
  return (
    <div class={own}>
      {more && <p class="small muted sideways">Scroll sideways for all of it →</p>}
      <div class="scroll-x" ref={frame} {...(more ? { tabIndex: 0, role: "region", "aria-label": label } : {})}>{children}</div>
    </div>
  );
}
