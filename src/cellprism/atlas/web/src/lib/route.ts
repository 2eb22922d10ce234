// Addresses: the page is a path in the hash, what is chosen on it a query after the path.
import { useEffect, useState } from "preact/hooks";
import { afterFrame } from "./after";

export type Query = Record<string, string>;

function split(location: string): [path: string, query: string] {
  const cut = location.indexOf("?");
  return cut < 0 ? [location, ""] : [location.slice(0, cut), location.slice(cut + 1)];
}

function encode(query: Query): string {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return text && `?${text}`;
}

/** An address that the browser is told after the next frame: to tell it takes as long as to draw a map. */
let coming: string | null = null;
let forget = () => {};
const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listen) => listen());

function settle(): void {
  if (coming === null) return;
  history.replaceState(null, "", `#${coming}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

addEventListener("hashchange", () => {
  coming = null;
  tell();
});

/** Opens an address; `replace` puts it in the place of the one before it. */
export function open(path: string, replace = false): void {
  forget();
  if (replace) {
    coming = path;
    forget = afterFrame(settle);
    tell();
    return;
  }
  settle();
  location.hash = path;
}

const here = () => split(coming ?? `/${location.hash.replace(/^#?\/?/, "")}`);
export const hashPath = () => here()[0];
const text = () => here()[1];

/** A part of the address; only a change of that part draws anything again, and `late` only after the next frame. */
function useHash(part: () => string, late = false): string {
  const [seen, see] = useState(part);
  useEffect(() => {
    const look = () => see(part());
    const listen = late ? () => afterFrame(look) : look;
    look(); // it may have changed since it was drawn
    listeners.add(listen);
    return () => void listeners.delete(listen);
  }, []);
  return late ? seen : part();
}

/** Where the page is, without the query, which `useQuery` reads. */
export const useHashPath = () => useHash(hashPath);

const parsed = (text: string) => Object.fromEntries(new URLSearchParams(text)) as Query;

/** Changes parts of the query in place; an empty value leaves a part out. */
function change(part: Query): void {
  // Read at the moment of the change, so that two changes in one event do not undo each other.
  open(hashPath() + encode({ ...queryNow(), ...part }), true);
}

/** What the query says at this moment, for what is asked outside of drawing. */
export const queryNow = () => parsed(text());

/** The query and a function that changes parts of it. */
export const useQuery = (): [Query, typeof change] => [parsed(useHash(text)), change];

/** The query once the page has shown it, for what may come after the picture that it asks for. */
export const useQueryLater = (): Query => parsed(useHash(text, true));

/** Whether a list is shown whole, which the address says by its name, and a function that shows it whole. */
export function useWhole(name: string): [boolean, () => void] {
  const [query, change] = useQuery();
  const whole = (query["all"] ?? "").split(" ").filter(Boolean);
  return [whole.includes(name), () => change({ all: [...whole, name].join(" ") })];
}

const address = (run: string, page: string, query: Query = {}) => `/${encodeURIComponent(run)}${page}${encode(query)}`;

export const paths = {
  overview: (run: string) => address(run, ""),
  layers: (run: string, query?: Query) => address(run, "/layers", query),
  layer: (run: string, layer: number, query?: Query) => address(run, `/layer/${layer}`, query),
  feature: (run: string, layer: number, feature: number) => address(run, `/feature/${layer}/${feature}`),
  genes: (run: string, gene = "") => address(run, "/genes", { gene }),
  list: (run: string, genes: string[] = []) => address(run, "/list", { genes: genes.join(" ") }),
  terms: (run: string, term = "") => address(run, "/ontology", { term }),
  groups: (run: string, query: Query = {}) => address(run, "/cells", query),
  data: (run: string) => address(run, "/data"),
  help: (run: string) => address(run, "/help"),
  modules: (run: string, layer?: number) =>
    address(run, "/modules", layer === undefined ? {} : { layer: String(layer) }),
  flow: (run: string, query?: Query) => address(run, "/flow", query),
  circuits: (run: string, query?: Query) => address(run, "/circuits", query),
  steering: (run: string, query?: Query) => address(run, "/steering", query),
  regulation: (run: string, query?: Query) => address(run, "/regulation", query),
  compare: (run: string, query?: Query) => address(run, "/compare", query),
  ablation: (run: string, query?: Query) => address(run, "/ablation", query),
  methods: (run: string) => address(run, "/methods"),
};
