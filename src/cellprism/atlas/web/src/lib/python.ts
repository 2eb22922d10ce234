// The same table in a notebook.
import type { Groups, Summary } from "../data/types";
import type { SortKey } from "../map/select";
import { TELLS_APART } from "../map/colouring";
import type { Range } from "../map/filter";
import type { NumberColumn } from "../map/numbers";
import type { Ablations } from "./ablation";
import type { Limits, Place, TraceEntry } from "./circuits";
import type { Query } from "./route";

export const quoted = (text: string) => JSON.stringify(text);

/** The client reads the very atlas that the page is part of; it takes the run's directory as well. */
const opened = (summary: Summary) => `cp.atlas.open(${quoted(new URL(".", document.baseURI).href)}, run=${quoted(summary.id)})`;

export const opening = (summary: Summary) => ["import cellprism as cp", "", `run = ${opened(summary)}`];

const columns: Record<SortKey, string> = {
  feature: "feature", label: "label", q: "label_q", terms: "n_terms", group: "group_value", auroc: "group_auroc",
  module: "module", frequency: "n_fired", max: "max_value",
};

function picked(mode: string, pick: string, groups: Groups): string | null {
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
  mode: string;
  pick: string;
  ranges: [NumberColumn, Range][];
  /** the features within an outline */
  features: number[] | null;
  sort: SortKey;
  down: boolean;
}

function ranged(layer: number, ranges: [NumberColumn, Range][]): string[] {
  const lines: string[] = [];
  for (const [{ python, from }, [least, largest]] of ranges) {
    if (from) lines.push(`more = ${from(layer)}`, `table = table.merge(more[["feature", "${python}"]], on="feature", how="left")`);
    const column = `table["${python}"]`;
    const parts = [
      ...(least === null ? [] : [`(${column} >= ${least})`]), ...(largest === null ? [] : [`(${column} < ${largest})`]), ...(python === "n_terms" ? [`(${column} > 0)`] : []),
    ];
    lines.push(`table = table[${parts.join(" & ")} & ~table["dead"]]`);
  }
  return lines;
}

export function layerCode(summary: Summary, groups: Groups, { layer, text, mode, pick, ranges, features, sort, down }: Choice): string {
  const lines = [...opening(summary), `table = run.features(${layer})`];
  if (text.trim()) {
    const contains = (column: string) => `table["${column}"].str.contains(text, case=False, regex=False, na=False)`;
    lines.push(`text = ${quoted(text.trim())}`, `named = ${contains("label")} | ${contains("group_value")}`, 'table = table[named | (table["feature"].astype(str) == text)]');
  }
  const condition = pick && picked(mode, pick, groups);
  if (condition) lines.push(`table = table[${condition}]`);
  lines.push(...ranged(layer, ranges));
  if (features) lines.push("# the features within the outline on the map, of those that pass", `table = table[table["feature"].isin([${features.join(", ")}])]`);
  if (sort === "max") lines.push('table["max_value"] = table["max_value"].mask(table["dead"])');
  const by = sort === "feature" ? '"feature"' : `["${columns[sort]}", "feature"]`;
  const order = down ? `, ascending=${sort === "feature" ? "False" : "[False, True]"}` : "";
  return [...lines, `table = table.sort_values(${by}${order})`, ""].join("\n");
}

export function featureCode(summary: Summary, layer: number, feature: number, highways: boolean): string {
  const of = (table: string) => `run.${table}(${layer}).query("feature == ${feature}")`;
  return [
    ...opening(summary),
    `genes = ${of("top_genes")}.sort_values("rank")`,
    `gene_sets = ${of("annotations")}.sort_values("p")`,
    `groups = ${of("celltypes")}.sort_values("auroc", ascending=False)`,
    `neighbours = ${of("neighbours")}.sort_values(["kind", "rank"])`,
    ...(highways ? [`highways = ${of("highways")}.sort_values("pmi", ascending=False)`] : []),
    `histogram = ${of("histograms")}.sort_values("bin")`,
    "",
  ].join("\n");
}

export function termCode(summary: Summary, source: string, term: string): string {
  return [
    "import pandas as pd", ...opening(summary),
    "tests = pd.concat([run.annotations(layer).assign(layer=layer) for layer in run.layers], ignore_index=True)",
    `found = tests[(tests["source"] == ${quoted(source)}) & (tests["term"] == ${quoted(term)})]`,
    'found = found.sort_values(["q", "layer", "feature"])',
    "",
  ].join("\n");
}

export function groupCode(summary: Summary, key: string, value: string): string {
  return [
    "import pandas as pd", ...opening(summary),
    "tests = pd.concat([run.celltypes(layer).assign(layer=layer) for layer in run.layers], ignore_index=True)",
    `found = tests[(tests["key"] == ${quoted(key)}) & (tests["value"] == ${quoted(value)})]`,
    'found = found[(found["q"] < 0.05) & (found["auroc"] > 0.5)].sort_values(["auroc", "layer", "feature"], ascending=[False, True, True])',
    "",
  ].join("\n");
}

export function modulesCode(summary: Summary, layer: number): string {
  return [...opening(summary), `modules = run.modules(${layer})`, `members = run.members(${layer}).sort_values("feature")`, ""].join("\n");
}

export function overviewCode(summary: Summary): string {
  return [
    "import pandas as pd", ...opening(summary), "rates = run.rates()",
    "metrics = pd.concat([run.metrics(layer).assign(layer=layer) for layer in run.layers], ignore_index=True)",
    "findings = run.findings()", "",
  ].join("\n");
}

/** The ranking of all features by a gene list, with scipy. */
export function listCode(summary: Summary, symbols: string[]): string {
  const least = summary.background.min_seen;
  return [
    "import cellprism as cp", "import pandas as pd", "from scipy.stats import false_discovery_control, hypergeom", "",
    `run = ${opened(summary)}`,
    `listed = {${symbols.map(quoted).join(", ")}}`,
    "tops = pd.concat([run.top_genes(layer).assign(layer=layer) for layer in run.layers])",
    least === null ? 'background = set(tops["symbol"])' : `background = set(run.genes().query("n_seen >= ${least}")["symbol"])`,
    'tops["shared"] = tops["symbol"].isin(listed & background)',
    'ranked = tops.groupby(["layer", "feature"])["shared"].agg(overlap="sum", n_genes="size").reset_index()',
    'ranked["p"] = hypergeom.sf(ranked["overlap"] - 1, len(background), len(listed & background), ranked["n_genes"])',
    'ranked["q"] = false_discovery_control(ranked["p"].clip(upper=1))',
    'ranked = ranked[ranked["overlap"] > 0].sort_values(["p", "overlap", "layer", "feature"], ascending=[True, False, True, True])',
    "",
  ].join("\n");
}

/** The layers side by side: their metrics and rates, and the places of their features. */
export function layersCode(summary: Summary): string {
  return [
    "import pandas as pd", ...opening(summary),
    "features = pd.concat([run.features(layer).assign(layer=layer) for layer in run.layers], ignore_index=True)",
    "rates = run.rates()", "",
  ].join("\n");
}

/** Rates with their nulls, and what every stage of the run has written. */
export function methodsCode(summary: Summary): string {
  return [...opening(summary), "rates = run.rates()", "controls = run.controls()", ""].join("\n");
}

/** What lasts from layer to layer. */
export function flowCode(summary: Summary): string {
  return [...opening(summary), 'chains = run.chains().merge(run.chain_members(), on="chain")', "rates = run.rates().query(\"rate in ('goes_on', 'highway')\")", ""].join("\n");
}

/** Everything that the client can be asked, for the page about it. */
export function clientCode(summary: Summary): string {
  const layer = summary.layers[0]?.layer ?? 0;
  return [...opening(summary), "run.layers", `run.features(${layer}).head()`, "run.rates()", ""].join("\n");
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

export function compareCode([one, a]: [Summary, number], [other, b]: [Summary, number]): string {
  const named = (summary: Summary) => (summary.background.min_seen === null
    ? 'pd.concat(run.top_genes(layer) for layer in [at])["symbol"]'
    : `run.genes().query("n_seen >= ${summary.background.min_seen}")["symbol"]`);
  return [
    "import cellprism as cp", "import numpy as np", "import pandas as pd", "from scipy.stats import false_discovery_control, hypergeom", "",
    `sides = [(${opened(one)}, ${a}), (${opened(other)}, ${b})]`,
    "possible = []",
    ...[one, other].map((summary, i) => `run, at = sides[${i}]; possible.append(set(${named(summary)}.str.upper()))`),
    "background = possible[0] & possible[1]", "",
    "def lists(run, layer):",
    "    top = run.top_genes(layer)",
    "    top = top.assign(symbol=top[\"symbol\"].str.upper())",
    "    return top[top[\"symbol\"].isin(background)].groupby(\"feature\")[\"symbol\"].agg(set)", "",
    "left, right = (lists(run, layer) for run, layer in sides)",
    "overlap = np.array([[len(x & y) for y in right] for x in left])",
    "sizes = left.map(len).to_numpy()[:, None], right.map(len).to_numpy()[None, :]",
    "p = np.where(overlap > 0, hypergeom.sf(overlap - 1, len(background), *sizes), 1.0)",
    "q = false_discovery_control(np.minimum(p, 1.0), axis=None).reshape(p.shape)",
    "best = p.argmin(axis=1)",
    "mutual = p.argmin(axis=0)[best] == np.arange(len(left))",
    "rows = np.arange(len(left))",
    "keep = mutual & (q[rows, best] < 0.05)",
    "matches = pd.DataFrame({",
    '    "feature_a": left.index[keep], "feature_b": right.index[best[keep]],',
    '    "overlap": overlap[rows, best][keep], "p": p[rows, best][keep], "q": q[rows, best][keep],',
    '}).sort_values(["p", "feature_a"])',
    "",
  ].join("\n");
}

export function circuitCode(summary: Summary, traces: TraceEntry[], [layer, feature]: Place, { q, g, agreement, sign, replicated }: Limits): string {
  const names = traces.map(({ name }) => quoted(name)).join(", ");
  const limits = [`q <= ${q} and abs(g) >= ${g} and agreement >= ${agreement}`, ...(sign ? [`sign == ${sign === "supports" ? 1 : -1}`] : []), ...(replicated ? ["replicated"] : [])].join(" and ");
  return [
    "import pandas as pd", ...opening(summary),
    `tables = [run.edges(trace) for trace in [${names}]]`,
    `edges = pd.concat(tables).query("${limits}")`,
    `out = edges.query("source_layer == ${layer} and source == ${feature}").sort_values("g", key=abs, ascending=False)`,
    `into = edges.query("target_layer == ${layer} and target == ${feature}").sort_values("g", key=abs, ascending=False)`,
    "",
  ].join("\n");
}

/** The three parts of the page about features taken away, as far as the run has them. */
export function ablationCode(summary: Summary, all: Ablations, query: Query): string {
  const patched = all.patching.find(({ layer }) => String(layer) === query["patch"]) ?? all.patching[0];
  const together = all.combinations.find(({ name }) => name === query["together"]) ?? all.combinations[0];
  const damaged = all.damage.find(({ layer }) => String(layer) === query["damage"]) ?? all.damage[0];
  return [
    ...opening(summary),
    ...(patched ? [`patching = run.patching(${patched.layer})`] : []),
    ...(together ? [
      `combinations = run.combinations(${quoted(together.name)})`,
      ...(query["scheme"] ? [`combinations = combinations.query("scheme == ${quoted(query["scheme"]).replaceAll('"', "'")}")`] : []),
      `chosen = ${query["combination"] ? Number(query["combination"]) : 'combinations["combination"].iloc[0]'}`,
      `targets = run.interactions(${quoted(together.name)}).query("combination == @chosen").sort_values(["q", "contrast"], key=lambda column: column.abs() * (1 if column.name == "q" else -1))`,
    ] : []),
    ...(patched || together ? ["rates = run.causal_rates()"] : []),
    ...(damaged ? [`arms = run.damage_arms(${damaged.layer})`, `damage = run.damage(${damaged.layer})`] : []),
    "",
  ].join("\n");
}
