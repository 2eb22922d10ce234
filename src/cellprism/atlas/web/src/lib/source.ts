// Where a number comes from: elements say it in `data-from`, and a click on them asks for it.

/** What a popover is asked to explain. */
export interface Origin {
  table: string;
  column: string;
  layer: number | null;
  /** the rate or metric, where a table holds several */
  name: string;
  n: string;
  null: string;
  /** where on the page */
  anchor: DOMRect;
}

interface About {
  layer?: number | undefined;
  name?: string | undefined;
  n?: string | undefined;
  null?: string | undefined;
}

/** Attributes of an element that shows a number of `table.column`. */
export const from = (column: string, { layer, name, n, null: none }: About = {}) => ({
  "data-from": column,
  ...(layer === undefined ? {} : { "data-layer": layer }),
  ...(name === undefined ? {} : { "data-name": name }),
  ...(n === undefined ? {} : { "data-n": n }),
  ...(none === undefined ? {} : { "data-null": none }),
});

/** What an element, or the nearest around it, says of its number. */
export function originOf(element: Element): Origin | null {
  const found = element.closest<HTMLElement>("[data-from]");
  if (!found) return null;
  const { from: path = "", layer, name = "", n = "", null: none = "" } = found.dataset;
  const [table = "", column = ""] = path.split(".");
  const within = layer ?? found.closest<HTMLElement>("[data-layer]")?.dataset["layer"];
  return { table, column, layer: within === undefined ? null : Number(within), name, n, null: none, anchor: found.getBoundingClientRect() };
}
