// Addresses: the page is a path in the hash, what is chosen on it a query after the path.
import { useHashLocation } from "wouter-preact/use-hash-location";

export type Query = Record<string, string>;

function split(location: string): [path: string, query: string] {
  const cut = location.indexOf("?");
  return cut < 0 ? [location, ""] : [location.slice(0, cut), location.slice(cut + 1)];
}

function encode(query: Query): string {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return text && `?${text}`;
}

function go(path: string, options?: { replace?: boolean }): void {
  if (!options?.replace) {
    location.hash = path;
    return;
  }
  history.replaceState(null, "", `#${path}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** wouter's hash location without the query, which `useQuery` reads. */
export function useHashPath(): [string, typeof go] {
  return [split(useHashLocation()[0])[0], go];
}
useHashPath.hrefs = (href: string) => `#${href}`;

/** The query and a function that changes parts of it in place; an empty value leaves it out. */
export function useQuery(): [Query, (change: Query) => void] {
  const [path, text] = split(useHashLocation()[0]);
  const query = Object.fromEntries(new URLSearchParams(text)) as Query;
  // Read at the moment of the change, so that two changes in one event do not undo each other.
  const change = (part: Query) => {
    const now = Object.fromEntries(new URLSearchParams(split(location.hash)[1])) as Query;
    go(path + encode({ ...now, ...part }), { replace: true });
  };
  return [query, change];
}

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

export const open = (path: string) => go(path);
