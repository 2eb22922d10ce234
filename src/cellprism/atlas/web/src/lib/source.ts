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
  /** what the page itself computed from the table */
  how: string;
  /** where the file is, where the table has several */
  within: string;
  /** the run, where it is not that of the page */
  run: string;
  /** where on the page */
  anchor: DOMRect;
}

export interface About {
  layer?: number | undefined;
  name?: string | undefined;
  n?: string | undefined;
  null?: string | undefined;
  how?: string | undefined;
  within?: string | undefined;
  run?: string | undefined;
}

/** Attributes of an element that shows a number of `table.column`. */
export const from = (column: string, about: About = {}) => ({
  "data-from": column,
  ...Object.fromEntries(Object.entries(about).filter(([, value]) => value !== undefined && value !== "").map(([key, value]) => [`data-${key}`, value])),
});

/** The file of a table of ablations: of a layer, or of combinations by their name. */
export const ofAblation = (table: string, which: number | string) => `causal/${table}_${typeof which === "number" ? String(which).padStart(2, "0") : which}`;

/** Where the tables of a trace are. */
export const ofTrace = (name: string) => `causal/${name}/`;

/** What an element, or the nearest around it, says of its number. */
export function originOf(element: Element): Origin | null {
  const found = element.closest<HTMLElement>("[data-from]");
  if (!found) return null;
  const { from: path = "", layer, name = "", n = "", null: none = "", how = "" } = found.dataset;
  const [table = "", column = ""] = path.split(".");
  const around = (key: string) => found.closest<HTMLElement>(`[data-${key}]`)?.dataset[key];
  const at = layer ?? around("layer");
  return {
    table, column, layer: at === undefined ? null : Number(at), name, n, null: none, how, within: around("within") ?? "", run: around("run") ?? "",
    anchor: found.getBoundingClientRect(),
  };
}
