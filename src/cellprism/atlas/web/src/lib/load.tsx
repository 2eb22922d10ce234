// A promise as a value of a component, and the three faces it can show.
import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { DataError } from "../data/read";

export interface Loaded<T> {
  value?: T;
  error?: Error;
}

/** The result of `load`, asked for again whenever `key` changes; empty while it is under way. */
export function useLoad<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<Loaded<T> & { key: string }>({ key: "" });
  useEffect(() => {
    let current = true;
    load().then(
      (value) => current && setState({ key, value }),
      (error: Error) => current && setState({ key, error }),
    );
    return () => {
      current = false;
    };
  }, [key]);
  return state.key === key ? state : {};
}

export function Failure({ error }: { error: Error }) {
  const sentence = error instanceof DataError ? error.message : `The page failed: ${error.message}.`;
  return (
    <div class="note failure" role="alert">
      <p>{sentence}</p>
      <button type="button" onClick={() => location.reload()}>Try again</button>
    </div>
  );
}

/** An address that names something the run does not have. */
export function Nothing({ title, children }: { title: string; children: ComponentChildren }) {
  return <div class="note failure" role="alert"><h1>{title}</h1><p>{children}</p></div>;
}

export const Waiting = () => <p class="waiting" role="status">Loading …</p>;

interface LoadProps<T> {
  of: Loaded<T>;
  children: (value: T) => ComponentChildren;
}

export function Load<T>({ of, children }: LoadProps<T>) {
  if (of.error) return <Failure error={of.error} />;
  if (of.value === undefined) return <Waiting />;
  return <>{children(of.value)}</>;
}

/** A page whose code is fetched when it is first opened. */
export function lazy<P extends object>(name: string, load: () => Promise<{ default: ComponentType<P> }>) {
  return function LazyPage(props: P) {
    const page = useLoad(name, load);
    return <Load of={page}>{({ default: Page }) => <Page {...props} />}</Load>;
  };
}
