// Features taken away together: are their effects the sum of what each does alone?
import { useMemo } from "preact/hooks";
import { loadCombinations, loadTargets, NO_LABEL, partsOf, Q, signed, type Ablations, type Combination, type Targets } from "../lib/ablation";
import { count, fixed, MISSING, number, percent, plural, probability, shortTerm } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { nullPhrase } from "../lib/names";
import { paths, useQuery } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from, ofAblation } from "../lib/source";
import { Forest } from "./forest";
import { Scatter } from "./scatter";
import { From } from "./source";
import { StackedTable, type StackedCell } from "./stacked-table";
import { CsvButton, SvgButton } from "./take";
import { UNDER, VirtualTable, type Column } from "./virtual-table";

type About = Ablations["combinations"][number];

const MOST = 36;
const CSV: (keyof Combination)[] = [
  "combination", "scheme", "layer_a", "feature_a", "layer_b", "feature_b", "layer_c", "feature_c", "target_layer", "n_cells", "live", "interactions", "additivity", "low", "high",
  "published_ratio", "published_if_additive", "published_targets",
];
const TARGETS = ["target", "alone", "together", "contrast", "low", "high", "relative", "n_nonzero", "p", "q"] as const;

const nameOf = ({ terms }: Words, label: number | null | undefined) => (label === null || label === undefined || label === NO_LABEL ? null : shortTerm(terms.term[label] ?? ""));
const pair = (c: Combination) => partsOf(c).map(([layer, feature]) => `${layer}·${feature}`).join(" + ");

/** `00-02-to-03` as words. */
export function analysisName(name: string): string {
  const [from = "", to = ""] = name.split("-to-");
  return `${from === "named" ? "named features" : `layers ${from.split("-").map(Number).join(" + ")}`}, read in layer ${Number(to)}`;
}

const median = (values: (number | null)[]): number | null => {
  const known = values.filter((v): v is number => v !== null).sort((a, b) => a - b);
  const middle = known.length >> 1;
  return known.length === 0 ? null : known.length % 2 ? known[middle]! : (known[middle - 1]! + known[middle]!) / 2;
};

function Schemes({ about, rows }: { about: About; rows: Combination[] }) {
  const within = ofAblation("combinations", about.name);
  const schemes = [...new Set(rows.map(({ scheme }) => scheme))];
  return (
    <StackedTable
      heads={[
        { title: "Drawn" }, { title: "Combinations", numeric: true },
        { title: "Together / sum, median", numeric: true, help: "slope of the effects together on the summed effects alone; 1 is additive" },
        { title: "Interacting targets", numeric: true, help: "targets whose contrast is not 0, q < 0.05" }, { title: "Null" },
        { title: "Published ratio", numeric: true, help: "protocol published: mean of |d together| over summed |d alone|" },
        { title: "If additive", numeric: true, help: "that ratio if the same effects added up exactly" },
      ]}
      rows={schemes.map((scheme) => {
        const own = rows.filter((row) => row.scheme === scheme);
        const rate = about.rates.find((other) => other.rate === `interacting:${scheme}`);
        const middle = (column: "additivity" | "published_ratio" | "published_if_additive", digits: number): StackedCell =>
          [fixed(median(own.map((c) => c[column])), digits), from(`combinations.${column}`, { within, n: plural(own.length, "combination"), how: "the median of these combinations" })];
        return [
          [scheme], [count(own.length), from("combinations.scheme", { within })], middle("additivity", 3),
          [rate ? percent(rate.value, 2) : MISSING, from("rates.value", { within: ofAblation("rates_interactions", about.name), name: `interacting:${scheme}`, n: rate ? `${count(rate.n)} live targets` : "", null: rate?.null })],
          [rate && nullPhrase(rate), { class: "small muted" }], middle("published_ratio", 2), middle("published_if_additive", 2),
        ];
      })}
    />
  );
}

function TargetTable({ about, chosen, targets, words }: { about: About; chosen: Combination; targets: Targets; words: Words }) {
  const { id } = useRun();
  const within = ofAblation("interactions", about.name);
  const source = (column: string) => from(`interactions.${column}`, { within, n: plural(chosen.n_cells, "cell"), null: column === "q" || column === "contrast" ? "signs of the cells' contrasts flipped" : "" });
  const layer = chosen.target_layer;
  const columns: Column[] = [
    { key: "target", title: "Target", width: "4.75rem", phone: "minmax(3.5rem, 1fr)", cell: (i) => <a class="num" href={`#${paths.feature(id, layer, targets.target[i]!)}`}>{layer}·{targets.target[i]}</a> },
    { key: "label", title: "Label", width: "minmax(6rem, 1fr)", phone: UNDER, cell: (i) => nameOf(words, targets.label[i]) ?? <span class="muted">not annotated</span> },
    { key: "alone", title: "Sum", width: "5rem", numeric: true, extra: true, help: "sum of the mean effects of the parts alone", cell: (i) => <span {...source("alone")}>{number(targets.alone[i]!)}</span> },
    { key: "together", title: "Together", width: "5rem", numeric: true, extra: true, help: "mean effect of all parts together", cell: (i) => <span {...source("together")}>{number(targets.together[i]!)}</span> },
    { key: "contrast", title: "Contrast", width: "5.5rem", phone: "5.5rem", numeric: true, help: "what is there beyond the sum, mean over cells", cell: (i) => <span {...source("contrast")}>{signed(number(targets.contrast[i]!), targets.contrast[i]!)}</span> },
    { key: "relative", title: "Of the parts", width: "5.5rem", numeric: true, extra: true, help: "the contrast over the summed absolute effects of the parts", cell: (i) => <span {...source("relative")}>{percent(targets.relative[i]!, 0)}</span> },
    { key: "q", title: "q", width: "5.5rem", phone: "5rem", numeric: true, help: "sign flips over cells, Benjamini-Hochberg over all live targets of all combinations", cell: (i) => <span class={targets.q[i]! < Q ? "strong" : ""} {...source("q")}>{probability(targets.q[i]!)}</span> },
  ];
  const rows = Array.from({ length: targets.n }, (_, i) => i);
  return (
    <div class="panel table-panel short-table" data-testid="targets">
      <p class="table-title">
        <span>{targets.n < chosen.live ? <>The {count(targets.n)} of smallest q of </> : null}<From of="interactions." within={within}>{plural(chosen.live, "live target")}</From> of {pair(chosen)} in layer {layer}{targets.n < chosen.live && <span class="muted">; the Parquet table has all</span>}</span>
        <span class="push"><CsvButton name={["interactions", about.name, chosen.combination]} what="these targets" of={{ table: "interactions", within }} header={[...TARGETS]} rows={() => rows.map((i) => TARGETS.map((column) => targets[column][i]))} /></span>
      </p>
      <VirtualTable label="Targets of this combination" columns={columns} rows={rows} empty="No target changes without these features." />
    </div>
  );
}

function Chosen({ about, chosen, targets, words }: { about: About; chosen: Combination; targets: Targets; words: Words }) {
  const { id } = useRun();
  const sure = (i: number) => targets.q[i]! < Q;
  const points = Array.from({ length: targets.n }, (_, i): [number, number] => [targets.alone[i]!, targets.together[i]!]);
  const within = ofAblation("combinations", about.name);
  const n = plural(chosen.n_cells, "cell");
  const caption = `Mean effects on features of layer ${chosen.target_layer} when ${pair(chosen)} are taken away together, against the sum of their effects alone; on the dashed line effects add up.`;
  return (
    <section class="panel" aria-label="The chosen combination" data-testid="combination">
      <div class="panel-head">
        <h3>{pair(chosen)}</h3>
        <SvgButton name={["interactions", about.name, chosen.combination]} what="this combination" caption={caption} />
      </div>
      <ul class="parts">
        {partsOf(chosen).map(([layer, feature, label]) => <li><a class="num" href={`#${paths.feature(id, layer, feature)}`}>{layer}·{feature}</a> {nameOf(words, label) ?? <span class="muted">not annotated</span>}</li>)}
      </ul>
      <p class="facts small">
        <span>Together <From of="combinations.additivity" within={within} n={n}>{fixed(chosen.additivity, 3)}</From> of the sum <span class="muted">(95 %: {fixed(chosen.low, 3)} to {fixed(chosen.high, 3)})</span></span>
        <span><From of="combinations.interactions" within={within} n={n}>{count(chosen.interactions)}</From> of <From of="combinations.live" within={within} n={n}>{count(chosen.live)}</From> live targets interact</span>
        <span class="muted">published ratio <From of="combinations.published_ratio" within={within} n={n}>{fixed(chosen.published_ratio)}</From>; <From of="combinations.published_if_additive" within={within} n={n}>{fixed(chosen.published_if_additive)}</From> if additive</span>
      </p>
      {targets.n > 0 && <Scatter plain={points.filter((_, i) => !sure(i))} marked={points.filter((_, i) => sure(i))} label={caption} titles={["sum of the effects alone", "effect together"]} />}
      <p class="chart-key small muted"><span><i class="key-dot" /> target</span><span><i class="key-dot marked-key" /> interacting, q &lt; {Q}</span></p>
    </section>
  );
}

function Analysis({ about, words }: { about: About; words: Words }) {
  const { id } = useRun();
  const [query] = useQuery();
  const found = useLoad(`combinations ${id} ${about.name}`, () => loadCombinations(id, about));
  const scheme = query["scheme"] ?? "";
  const rows = useMemo(() => (found.value ?? []).filter((row) => !scheme || row.scheme === scheme), [found.value, scheme]);
  const chosen = rows.find(({ combination }) => String(combination) === query["combination"]) ?? rows[0];
  const targets = useLoad(`targets ${id} ${about.name} ${chosen?.combination}`, async () => (chosen ? loadTargets(id, about.name, chosen) : null));
  const within = ofAblation("combinations", about.name);
  const caption = `How much of the summed effects of features alone is there when they are taken away together (${analysisName(about.name)}), with 95 % intervals over cells; 1 is additive.`;
  return (
    <Load of={found}>
      {(all) => (
        <>
          <div class="panel"><Schemes about={about} rows={all} /></div>
          <div class="two even">
            <figure class="panel">
              <figcaption class="with-take">
                <p><From of="combinations." within={within}>{plural(rows.length, "combination")}</From> <span class="muted">each on the targets that it changes; choose one</span></p>
                <SvgButton name={["combinations", about.name]} what="the combinations" caption={caption} />
              </figcaption>
              <Forest
                none={1} axis="effect together over the sum of the effects alone" label={caption}
                rows={rows.slice(0, MOST).map((row, i) => ({
                  key: String(row.combination), name: pair(row), note: `${row.interactions} of ${row.live}`, href: `#${paths.ablation(id, { ...query, combination: String(row.combination) })}`, current: row === chosen,
                  heading: rows[i - 1]?.scheme === row.scheme ? undefined : row.scheme, value: row.additivity, low: row.low, high: row.high, sure: true,
                  said: `${pair(row)}, ${row.scheme}: together ${fixed(row.additivity, 3)} of the sum, 95 % from ${fixed(row.low, 3)} to ${fixed(row.high, 3)}; ${row.interactions} of ${row.live} live targets interact`,
                }))}
              />
              <p class="chart-key small muted">
                <span>at the end of a row: interacting of live targets</span>{rows.length > MOST && <span>the first {MOST} of {count(rows.length)}; the CSV has all</span>}
                <CsvButton name={["combinations", about.name]} what="the combinations" of={{ table: "combinations", within }} header={CSV} rows={() => rows.map((row) => CSV.map((column) => row[column]))} />
              </p>
            </figure>
            {chosen && <Load of={targets}>{(targets) => targets && <Chosen {...{ about, chosen, targets, words }} />}</Load>}
          </div>
          {chosen && targets.value && <TargetTable {...{ about, chosen, words }} targets={targets.value} />}
        </>
      )}
    </Load>
  );
}

export function Together({ all, words }: { all: About[]; words: Words }) {
  const [query, change] = useQuery();
  const about = all.find(({ name }) => name === query["together"]) ?? all[0]!;
  const schemes = about.rates.map(({ rate }) => rate.replace("interacting:", ""));
  return (
    <>
      <div class="toolbar">
        {all.length > 1 && (
          <label class="inline long">
            Taken away
            <select value={about.name} onChange={(event) => change({ together: event.currentTarget.value, combination: "", scheme: "" })}>
              {all.map(({ name }) => <option value={name}>{analysisName(name)}</option>)}
            </select>
          </label>
        )}
        {schemes.length > 1 && (
          <label class="inline">
            Drawn
            <select value={query["scheme"] ?? ""} onChange={(event) => change({ scheme: event.currentTarget.value, combination: "" })}>
              <option value="">any way</option>
              {schemes.map((scheme) => <option value={scheme}>{scheme}</option>)}
            </select>
          </label>
        )}
      </div>
      <div class="stack" key={about.name}><Analysis about={about} words={words} /></div>
    </>
  );
}
