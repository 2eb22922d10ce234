// Whether features carry the hidden genes of their terms: one layer's table as a picture and as rows.
import { useMemo } from "preact/hooks";
import { loadPatched, Q, scoreUnit, signed, type Ablations, type Patched } from "../lib/ablation";
import { count, number, percent, plural, probability, shortTerm } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { nullPhrase } from "../lib/names";
import { paths, useQuery, useWhole } from "../lib/route";
import { useRun } from "../lib/run";
import { from, ofAblation } from "../lib/source";
import { Forest } from "./forest";
import { LayerTabs } from "./layer-tabs";
import { Scatter } from "./scatter";
import { From } from "./source";
import { CsvButton, SvgButton } from "./take";
import { UNDER, VirtualTable, type Column } from "./virtual-table";

type About = Ablations["patching"][number];

const FEW = 20;
const MOST = 60;
const CSV: (keyof Patched)[] = [
  "feature", "source", "term", "n_genes", "n_controls", "n_cells", "effect", "low", "high", "p", "q", "logit", "random", "change_held_out", "change_control",
  "level_held_out", "level_control", "activation_held_out", "activation_control", "published_target", "published_other", "published_ratio", "published_random",
];
const ORDERS: Record<string, (row: Patched) => number> = {
  feature: ({ feature }) => feature, genes: ({ n_genes }) => n_genes, effect: ({ effect }) => effect ?? Infinity, random: ({ random }) => random ?? Infinity,
  q: ({ p }) => p ?? Infinity, ratio: ({ published_ratio }) => published_ratio ?? Infinity, ratio2: ({ published_random }) => published_random ?? Infinity,
};

/** Rows in the order that the address asks for: by p and effect, as in the table, unless it says otherwise. */
function ordered(rows: Patched[], key: string, down: boolean): Patched[] {
  const value = ORDERS[key];
  if (!value) return rows;
  return rows.map((row, i) => [value(row), i] as const).sort((a, b) => (down ? b[0] - a[0] : a[0] - b[0]) || a[1] - b[1]).map(([, i]) => rows[i]!);
}

export const carried = ({ q, effect }: { q: number | null; effect: number | null }) => q !== null && q < Q && effect !== null && effect < 0;

function Rates({ about }: { about: About }) {
  const { layer, rates } = about;
  const within = ofAblation("rates_patching", layer);
  const own = rates.find(({ rate }) => rate === "carries_term");
  if (!own) return null;
  const n = Math.round((own.value ?? 0) * (own.n ?? 0));
  return (
    <p class="facts">
      <span><From of="rates.value" within={within} name="carries_term" n={`${count(own.n)} features`} null={own.null}>{count(n)} of {count(own.n)}</From> tested features ({percent(own.value)}) carry hidden genes of their terms <span class="muted">(q &lt; {Q}, effect below 0; {nullPhrase(own)})</span></span>
    </p>
  );
}

function Published({ rows, about }: { rows: Patched[]; about: About }) {
  const [query, change] = useQuery();
  const { layer, rates } = about;
  const rate = rates.find((other) => other.rate === "specific");
  const points = rows.filter(({ published_ratio: a, published_random: b }) => (a ?? 0) > 0 && (b ?? 0) > 0).map(({ published_ratio, published_random }): [number, number] => [published_random!, published_ratio!]);
  const caption = `Ratio of earlier work for ${plural(points.length, "feature")} of layer ${layer} against that of a random direction of the same length; on the line both are equal.`;
  const within = ofAblation("patching", layer);
  return (
    <details class="panel fold" open={query["published"] === "1"} onToggle={(event) => { const open = event.currentTarget.open ? "1" : ""; if (open !== (query["published"] ?? "")) change({ published: open }); }} data-testid="published">
      <summary>The published ratio, and why it is not trusted</summary>
      <div class="stack">
        <p class="lede">
          Earlier work divides the change at a feature's own top genes by the change at all other genes, nothing hidden, and calls the feature specific above 1. A feature fires most on its top genes, so that <em>any</em> direction of that length changes them most
          {rate && <>: by this ratio <From of="rates.value" within={ofAblation("rates_patching", layer)} name="specific" n={`${count(rate.n)} features`} null={rate.null}>{percent(rate.value, 0)}</From> of the features are specific, and <From of="rates.null_mean" within={ofAblation("rates_patching", layer)} name="specific">{percent(rate.null_mean, 0)}</From> of random directions</>}. It says where a feature fires, not what it does.
        </p>
        {points.length > 0 && (
          <figure>
            <Scatter plain={points} marked={[]} log label={caption} titles={["ratio of a random direction", "ratio of the feature"]} />
            <p class="chart-key small muted">
              <span>{plural(points.length, "feature")}; dashed: the same for both</span>
              <SvgButton name={["patching", layer, "published"]} what="the published ratios" caption={caption} />
              <CsvButton name={["patching", layer, "published"]} what="the published ratios" of={{ table: "patching", layer, within }} header={["feature", "published_ratio", "published_random"]} rows={() => rows.map((row) => [row.feature, row.published_ratio, row.published_random])} />
            </p>
          </figure>
        )}
      </div>
    </details>
  );
}

function Layer({ about }: { about: About }) {
  const { id, summary } = useRun();
  const [query, change] = useQuery();
  const { layer, notes } = about;
  const found = useLoad(`patched ${id} ${layer}`, () => loadPatched(id, about));
  const key = query["by"] ?? "";
  const down = query["down"] === "1";
  const rows = useMemo(() => ordered(found.value ?? [], key, down), [found.value, key, down]);
  const [whole, showWhole] = useWhole("patched");
  const unit = scoreUnit(summary);
  const within = ofAblation("patching", layer);
  const shown = rows.slice(0, whole ? MOST : FEW);
  const caption = `What becomes of hidden genes of each feature's term when the feature is taken away (layer ${layer}), beyond their controls, in ${unit} with 95 % intervals over cells; hollow: a random direction of the same length. Faint: q of at least ${Q}. ${shown.length} of ${rows.length} features.`;
  const source = (column: string, row: Patched) => from(`patching.${column}`, { within, n: `${count(row.n_cells)} cells, ${count(row.n_genes)} genes`, null: column === "effect" || column === "q" ? "a random member of each match in place of the held-out gene" : "" });
  const at = (i: number) => rows[i]!;
  const effect = (row: Patched) => signed(number(row.effect), row.effect);
  const columns: Column[] = [
    { key: "feature", title: "Feature", width: "5rem", phone: "minmax(3.5rem, 1fr)", cell: (i) => <a class="num" href={`#${paths.feature(id, layer, at(i).feature)}`}>{layer}·{at(i).feature}</a> },
    { key: "term", title: "Term", width: "minmax(8rem, 1fr)", phone: UNDER, cell: (i) => <span title={`${at(i).source}: ${at(i).term}`}>{shortTerm(at(i).term)}</span> },
    { key: "effect", title: `Effect, ${unit}`, width: "6.5rem", phone: "5.25rem", numeric: true, help: "change of the score of the term's hidden genes beyond that of their controls, mean over cells; negative: the feature supports its term", cell: (i) => <span {...source("effect", at(i))}>{effect(at(i))}</span> },
    { key: "span", title: "Interval", width: "11.5rem", numeric: true, extra: true, help: "95 %, over cells; that it leaves out 0 does not say that the feature carries its term: read q", cell: (i) => <span {...source("low", at(i))}>{number(at(i).low)} to {number(at(i).high)}</span> },
    { key: "q", title: "q", width: "5.5rem", phone: "5.25rem", numeric: true, help: "against gene sets that take a random member of each match, Benjamini-Hochberg over the features tested", cell: (i) => <span class={carried(at(i)) ? "strong" : ""} {...source("q", at(i))}>{probability(at(i).q)}</span> },
    { key: "random", title: "Random", width: "5.5rem", numeric: true, help: "the effect of a random direction of the same length at the same positions", cell: (i) => <span {...source("random", at(i))}>{signed(number(at(i).random), at(i).random)}</span> },
    { key: "genes", title: "Genes", width: "4rem", numeric: true, help: "held-out genes: of the term, not among the feature's top genes", cell: (i) => <span {...source("n_genes", at(i))}>{count(at(i).n_genes)}</span> },
    ...(query["published"] === "1" ? [
      { key: "ratio", title: "Ratio", width: "4.5rem", numeric: true, help: "protocol published: not trusted, see above", cell: (i: number) => <span {...source("published_ratio", at(i))}>{number(at(i).published_ratio)}</span> },
      { key: "ratio2", title: "Its random", width: "5.5rem", numeric: true, help: "the published ratio of a random direction", cell: (i: number) => <span {...source("published_random", at(i))}>{number(at(i).published_random)}</span> },
    ] : []),
  ];
  const sort = { key, down, by: (asked: string) => change({ by: ORDERS[asked] ? asked : "", down: asked === key && !down ? "1" : "" }) };
  return (
    <Load of={found}>
      {() => (
        <>
          <Rates about={about} />
          <figure class="panel">
            <figcaption class="with-take">
              <p>Change of hidden genes of the term <span class="muted">beyond their controls, {unit}; dot with 95 % interval over cells</span></p>
              <SvgButton name={["patching", layer]} what="the effects of patching" caption={caption} />
            </figcaption>
            <Forest
              none={0} axis={`change of the score of hidden genes, ${unit}`} ends={["carries its term", "works against it"]} label={caption}
              rows={shown.map((row) => ({
                key: String(row.feature), name: `${layer}·${row.feature} ${shortTerm(row.term)}`, href: `#${paths.feature(id, layer, row.feature)}`, value: row.effect, low: row.low, high: row.high, beside: row.random, sure: (row.q ?? 1) < Q,
                said: `Feature ${row.feature}, ${shortTerm(row.term)}: ${effect(row)} ${unit}, 95 % from ${number(row.low)} to ${number(row.high)}, q ${probability(row.q)}; random direction ${number(row.random)}`,
              }))}
            />
            <p class="chart-key small muted">
              <span><i class="key-dot" /> feature, faint where q is at least {Q}</span><span><i class="key-diamond" /> a random direction of the same length</span>
              {rows.length > shown.length && !whole && <button type="button" class="button" onClick={showWhole}>Show {rows.length > MOST ? `the first ${MOST}` : `all ${count(rows.length)}`}</button>}
            </p>
          </figure>
          <Published rows={rows} about={about} />
          <div class="panel table-panel short-table" data-testid="patched">
            <p class="table-title">
              <span><From of="patching." within={within}>{plural(about.n, "feature")}</From> of layer {layer} tested{notes.left_out ? <span class="muted">, {count(notes.left_out)} left out: they fire in too few cells that read a gene to hold out</span> : null}</span>
              <span class="push"><CsvButton name={["patching", layer]} what="the patched features" of={{ table: "patching", layer, within }} header={CSV} rows={() => rows.map((row) => CSV.map((name) => row[name]))} /></span>
            </p>
            <VirtualTable label="Patched features" columns={columns} rows={rows.map((_, i) => i)} sort={sort} empty="No feature." />
          </div>
        </>
      )}
    </Load>
  );
}

export function Patching({ all }: { all: About[] }) {
  const { id } = useRun();
  const [query] = useQuery();
  const about = all.find(({ layer }) => String(layer) === query["patch"]) ?? all[0]!;
  return (
    <>
      {all.length > 1 && <LayerTabs layers={all.map(({ layer }) => layer)} current={about.layer} href={(layer) => paths.ablation(id, { ...query, patch: String(layer) })} label="Layers with patched features" />}
      <div class="stack" key={about.layer}><Layer about={about} /></div>
    </>
  );
}
