// How much worse hidden genes are guessed without some features, beside features as frequent and random ones.
import { loadDamaged, signed, type Ablations, type Arm } from "../lib/ablation";
import { count, fixed, number, percent, plural, probability, share, shortTerm } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { paths, useQuery } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from, ofAblation } from "../lib/source";
import { Forest } from "./forest";
import { LayerTabs } from "./layer-tabs";
import { From } from "./source";
import { StackedTable } from "./stacked-table";
import { Strips } from "./strips";
import { CsvButton, SvgButton } from "./take";
import { UNDER, VirtualTable, type Column } from "./virtual-table";

type About = Ablations["damage"][number];

const METRICS = ["loss", "hit"] as const;
const TITLES: Record<string, string> = { loss: "Loss at hidden genes", hit: "Hidden genes guessed first" };
const MEANINGS: Record<string, string> = {
  loss: "change of the loss when a feature is taken away; above 0: guessed worse without it",
  hit: "change of the share guessed first when a feature is taken away; below 0: guessed worse without it",
};
export const ARMS: Record<string, string> = { chosen: "chosen", matched: "as frequent", random: "random" };
const CSV: (keyof Arm)[] = ["metric", "arm", "n_features", "n_cells", "n_hidden", "clean", "chosen", "other", "difference", "low", "high", "p", "p_features"];

function ArmTable({ arms, within }: { arms: Arm[]; within: string }) {
  return (
    <StackedTable
      heads={[
        { title: "Measure" }, { title: "Against" }, { title: "Chosen", numeric: true }, { title: "Others", numeric: true }, { title: "Difference", numeric: true },
        { title: "Interval", numeric: true, help: "95 %, over cells" }, { title: "p over cells", numeric: true, help: "sign flips over cells: do these features differ?" },
        { title: "p over features", numeric: true, help: "the feature as unit: do such features differ?" },
      ]}
      rows={arms.map((arm) => {
        const source = (column: string, none = "") => from(`damage_arms.${column}`, { within, n: `${count(arm.n_cells)} cells, ${count(arm.n_hidden)} hidden genes, ${count(arm.n_features)} features each`, null: none });
        const show = (value: number | null) => signed(arm.metric === "hit" ? percent(value, 2) : number(value), value);
        return [
          [TITLES[arm.metric]], [ARMS[arm.arm] ?? arm.arm], [show(arm.chosen), source("chosen")], [show(arm.other), source("other")], [show(arm.difference), { ...source("difference"), class: "num strong" }],
          [`${show(arm.low)} to ${show(arm.high)}`, source("low")], [probability(arm.p), source("p", "signs of the cells' differences flipped")],
          [probability(arm.p_features), source("p_features", "labels exchanged between features")],
        ];
      })}
    />
  );
}

function Metric({ arms, metric, about }: { arms: Arm[]; metric: "loss" | "hit"; about: About }) {
  const own = arms.filter((arm) => arm.metric === metric && arm.difference !== null);
  if (!own.length) return null;
  const scale = metric === "hit" ? 100 : 1;
  const scaled = (value: number | null) => (value === null ? null : scale * value);
  const unit = metric === "hit" ? "percentage points" : "loss";
  const caption = `${TITLES[metric]}: chosen features less others, ${unit}, with 95 % intervals over cells (layer ${about.layer}, ${own[0]!.n_features} features each).`;
  return (
    <figure class="panel">
      <figcaption class="with-take">
        <h3>{TITLES[metric]}</h3>
        <p class="small muted">{MEANINGS[metric]}; {fixed(own[0]!.clean === null ? null : scale * own[0]!.clean, 2)}{metric === "hit" ? " %" : ""} with all features</p>
        <SvgButton name={["damage", about.layer, metric]} what={`the damage, ${TITLES[metric]}`} caption={caption} />
      </figcaption>
      <Forest
        none={0} axis={`chosen less others, ${unit}`} label={caption}
        rows={own.map((arm) => ({
          key: arm.arm, name: `against ${ARMS[arm.arm] ?? arm.arm} ones`, value: scaled(arm.difference), low: scaled(arm.low), high: scaled(arm.high), sure: true,
          said: `against ${ARMS[arm.arm] ?? arm.arm} ones: ${number(scaled(arm.difference))} ${unit}, 95 % from ${number(scaled(arm.low))} to ${number(scaled(arm.high))}; p over cells ${probability(arm.p)}, over features ${probability(arm.p_features)}`,
        }))}
      />
    </figure>
  );
}

function Features({ about, words }: { about: About; words: Words }) {
  const { id } = useRun();
  const { layer } = about;
  const found = useLoad(`damaged ${id} ${layer}`, () => loadDamaged(id, about));
  const within = ofAblation("damage", layer);
  const caption = `Change of the loss at hidden genes without each feature of layer ${layer}: a tick per feature, the diamond their mean.`;
  return (
    <Load of={found}>
      {(rows) => {
        const at = (i: number) => rows[i]!;
        const source = (column: string, i: number) => from(`damage.${column}`, { within, n: `${plural(at(i).n_cells, "cell")} in which it fires` });
        const columns: Column[] = [
          { key: "feature", title: "Feature", width: "5rem", phone: "minmax(3.5rem, 1fr)", cell: (i) => <a class="num" href={`#${paths.feature(id, layer, at(i).feature)}`}>{layer}·{at(i).feature}</a> },
          { key: "label", title: "Label", width: "minmax(6rem, 1fr)", phone: UNDER, cell: (i) => (at(i).label === null ? <span class="muted">not annotated</span> : shortTerm(words.terms.term[at(i).label!] ?? "")) },
          { key: "arm", title: "Why", width: "minmax(6rem, 11rem)", phone: UNDER, cell: (i) => (at(i).partner === null ? ARMS[at(i).arm] : <>as frequent as <a class="plain-link" href={`#${paths.feature(id, layer, at(i).partner!)}`}>{layer}·{at(i).partner}</a></>) },
          { key: "frequency", title: "Fires at", width: "5rem", numeric: true, help: "share of all positions", cell: (i) => <span {...source("frequency", i)}>{share(at(i).frequency)}</span> },
          { key: "loss", title: "Loss", width: "6.5rem", phone: "5.5rem", numeric: true, help: MEANINGS["loss"]!, cell: (i) => <span {...source("loss", i)}>{signed(number(at(i).loss), at(i).loss)}</span> },
          { key: "hit", title: "Guessed first", width: "6rem", phone: "4.5rem", numeric: true, help: MEANINGS["hit"]!, cell: (i) => <span {...source("hit", i)}>{signed(percent(at(i).hit, 2), at(i).hit)}</span> },
        ];
        const groups = Object.keys(ARMS).map((arm) => ({ name: ARMS[arm]!, values: rows.filter((row) => row.arm === arm && row.loss !== null).map(({ loss }) => loss!) })).filter(({ values }) => values.length);
        return (
          <>
            <figure class="panel">
              <figcaption class="with-take"><p>Feature by feature <span class="muted">change of the loss at hidden genes; tick: a feature, diamond: the mean</span></p><SvgButton name={["damage", layer, "features"]} what="the damage by feature" caption={caption} /></figcaption>
              <Strips groups={groups} label={caption} axis="change of the loss without the feature" write={number} />
            </figure>
            <div class="panel table-panel short-table" data-testid="damaged">
              <p class="table-title">
                <span><From of="damage." within={within}>{plural(rows.length, "feature")}</From> taken away <span class="muted">each on the same cells and hidden genes</span></span>
                <span class="push"><CsvButton name={["damage", layer, "features"]} what="the damage by feature" of={{ table: "damage", layer, within }} header={["feature", "arm", "partner", "frequency", "n_cells", "loss", "hit"]} rows={() => rows.map((row) => [row.feature, row.arm, row.partner, row.frequency, row.n_cells, row.loss, row.hit])} /></span>
              </p>
              <VirtualTable label="Damage by feature" columns={columns} rows={rows.map((_, i) => i)} empty="No feature." />
            </div>
          </>
        );
      }}
    </Load>
  );
}

export function Damage({ all, words }: { all: About[]; words: Words }) {
  const { id } = useRun();
  const [query] = useQuery();
  const about = all.find(({ layer }) => String(layer) === query["damage"]) ?? all[0]!;
  const { layer, arms, notes } = about;
  const first = arms[0];
  const within = ofAblation("damage_arms", layer);
  return (
    <>
      {all.length > 1 && <LayerTabs layers={all.map((other) => other.layer)} current={layer} href={(other) => paths.ablation(id, { ...query, damage: String(other) })} label="Layers with measured damage" />}
      <div class="stack" key={layer}>
        {first && (
          <p class="facts">
            <span>{plural(first.n_features, "chosen feature")} of layer {layer}{notes.features && <span class="muted"> ({notes.features})</span>}, as many of the nearest frequency and as many at random: <From of="damage_arms.n_hidden" within={within}>{count(first.n_hidden)}</From> hidden genes in <From of="damage_arms.n_cells" within={within}>{count(first.n_cells)}</From> cells, the same for all</span>
          </p>
        )}
        <div class="cards charts-few">{METRICS.map((metric) => <Metric key={metric} metric={metric} arms={arms} about={about} />)}</div>
        <div class="panel"><p class="table-title">The comparison in numbers <span class="push"><CsvButton name={["damage", layer]} what="the comparison of damage" of={{ table: "damage_arms", layer, within }} header={CSV} rows={() => arms.map((arm) => CSV.map((column) => arm[column]))} /></span></p><ArmTable arms={arms.filter(({ difference }) => difference !== null)} within={within} /></div>
        <p class="small muted table-note">p over cells asks whether <em>these</em> features differ from those others; p over features, with the feature as unit, whether <em>such</em> features do. Few features can hardly show the latter.</p>
        <Features about={about} words={words} />
      </div>
    </>
  );
}
