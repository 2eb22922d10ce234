// The same table in a notebook.
import type { Groups, Summary } from "../data/types";
import type { SortKey } from "../map/select";
import type { Mode } from "../map/colouring";
import { TELLS_APART } from "../map/colouring";

const quoted = (text: string) => JSON.stringify(text);

/** Name of the run's directory, as its configuration has it. */
function directory(summary: Summary): string {
  const { out } = (summary.provenance.config ?? {}) as { out?: unknown };
  return typeof out === "string" ? out : summary.id;
}

const opening = (summary: Summary) => ["import cellprism as cp", "", `run = cp.open_run(${quoted(directory(summary))})  # the run's directory`];

const columns: Record<SortKey, string> = {
  feature: "feature", label: "label", q: "label_q", terms: "n_terms", group: "group_value", auroc: "group_auroc",
  module: "module", frequency: "n_fired", max: "max_value",
};

function picked(mode: Mode, pick: string, groups: Groups): string | null {
  const none = pick === "none";
  const strong = `(table["group_auroc"] >= ${TELLS_APART})`;
  switch (mode) {
    case "group": {
      const group = Number(pick);
      return none ? `~${strong}` : `${strong} & (table["group_key"] == ${quoted(groups.key[group] ?? "")}) & (table["group_value"] == ${quoted(groups.value[group] ?? "")})`;
    }
    case "module": return none ? 'table["module"].isna()' : `table["module"] == ${Number(pick)}`;
    case "annotated": return none ? 'table["label"].isna()' : 'table["label"].notna()';
    case "source": return none ? 'table["label"].isna()' : `table["source"] == ${quoted(pick)}`;
    default: return null;
  }
}

export interface Choice {
  layer: number;
  text: string;
  mode: Mode;
  pick: string;
  sort: SortKey;
  down: boolean;
}

export function layerCode(summary: Summary, groups: Groups, { layer, text, mode, pick, sort, down }: Choice): string {
  const lines = [...opening(summary), `table = run.features(${layer})`];
  if (text.trim()) {
    const contains = (column: string) => `table["${column}"].str.contains(text, case=False, regex=False, na=False)`;
    lines.push(`text = ${quoted(text.trim())}`, `named = ${contains("label")} | ${contains("group_value")}`, 'table = table[named | (table["feature"].astype(str) == text)]');
  }
  const condition = pick && picked(mode, pick, groups);
  if (condition) lines.push(`table = table[${condition}]`);
  if (sort === "max") lines.push('table["max_value"] = table["max_value"].mask(table["dead"])');
  const by = sort === "feature" ? '"feature"' : `["${columns[sort]}", "feature"]`;
  const order = down ? `, ascending=${sort === "feature" ? "False" : "[False, True]"}` : "";
  return [...lines, `table = table.sort_values(${by}${order})`, ""].join("\n");
}

export function featureCode(summary: Summary, layer: number, feature: number): string {
  const of = (table: string) => `run.${table}(${layer}).query("feature == ${feature}")`;
  return [
    ...opening(summary),
    `genes = ${of("top_genes")}.sort_values("rank")`,
    `gene_sets = ${of("annotations")}.sort_values("p")`,
    `groups = ${of("celltypes")}.sort_values("auroc", ascending=False)`,
    `neighbours = ${of("neighbours")}.sort_values(["kind", "rank"])`,
    `histogram = ${of("histograms")}.sort_values("bin")`,
    "",
  ].join("\n");
}

export function geneCode(summary: Summary, gene: number, symbol: string): string {
  return [
    "import pandas as pd", ...opening(summary),
    "tables = [run.top_genes(layer).assign(layer=layer) for layer in run.layers]",
    `hits = pd.concat(tables).query("gene == ${gene}")  # ${symbol}`,
    'hits = hits.sort_values(["layer", "rank", "feature"])',
    "",
  ].join("\n");
}

export function highwayCode(summary: Summary, from: number, to: number): string {
  return [
    ...opening(summary),
    `pairs = run.highways(${from}).query("partner_layer == ${to}").sort_values("pmi", ascending=False)`,
    "chains = run.chains().merge(run.chain_members(), on=\"chain\")",
    "rates = run.rates().query(\"rate in ('goes_on', 'highway')\")",
    "",
  ].join("\n");
}
