// Whether an element is in sight or close to it, so that what it needs is fetched no earlier.
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function useNear<T extends Element>(): [RefObject<T>, boolean] {
  const target = useRef<T>(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && setNear(true),
      { rootMargin: "100px" },
    );
    observer.observe(target.current!);
    return () => observer.disconnect();
  }, []);
  return [target, near];
}
