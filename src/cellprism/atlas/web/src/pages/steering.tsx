// Whether pushing features moves cells along: readouts, effects beside their controls, arms, and one feature closely.
import { EffectsChart, type EffectGroup, type Mark } from "../components/effects-chart";
import { SteeringArms } from "../components/steering-arms";
import { SteeringFeature, SteeringKey } from "../components/steering-feature";
import { Lacking, middle } from "../components/lacking";
import { StackedTable } from "../components/stacked-table";
import { CsvButton, PythonCell, SvgButton } from "../components/take";
import { UNDER, VirtualTable, type Column } from "../components/virtual-table";
import { featureName } from "../lib/feature-name";
import { aligned, count, fixed, MISSING, number, percent, plural, probability, signed } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { paths, useQuery } from "../lib/route";
import { useRun, useTitle, useWords, type Words } from "../lib/run";
import { from } from "../lib/source";
import { expected, loadSteered, loadSteering, ofSteering, whyNone, type Effect, type Readout, type Results, type Steered, type SteeredLayer } from "../lib/steering";
import { steeringCode } from "../lib/python-results";

const MOST = 24;
const Q = 0.05;
const READOUT = ["readout", "what", "unit", "n_fit", "n_test", "measure", "quality", "null_mean", "null_q95", "n_permutations", "span"] as const;
const sure = (effect: Effect | null | undefined) => effect?.[5] !== null && effect?.[5] !== undefined && effect[5] < Q;

interface View {
  about: SteeredLayer;
  readout: Readout;
  alpha: number;
  at: number;
  words: Words;
}

function Readouts({ about, readout, change }: { about: SteeredLayer; readout: Readout; change: (query: Record<string, string>) => void }) {
  const within = ofSteering("steering_readouts", about.layer);
  const source = (column: string, row: Readout) => from(`steering_readouts.${column}`, { within, n: `fitted on ${plural(row.n_fit, "cell")}, judged on ${count(row.n_test)} others`, null: `the ordering permuted ${count(row.n_permutations)} times among the cells it is fitted on` });
  return (
    <section class="panel" aria-labelledby="readouts" data-testid="readouts">
      <div class="panel-head">
        <div><h2 id="readouts">What the readouts are worth</h2><p class="muted">judged on cells that neither chose features nor were steered</p></div>
        <CsvButton name={["steering", about.layer, "readouts"]} what="the readouts" of={{ table: "steering_readouts", within }} header={[...READOUT]} rows={() => about.readouts.map((row) => READOUT.map((column) => row[column]))} />
      </div>
      <StackedTable
        chosen={about.readouts.indexOf(readout)}
        heads={[
          { title: "Readout" }, { title: "What it measures" }, { title: "Judged by" }, { title: "Quality", numeric: true },
          { title: "Null, 95 % below", numeric: true, help: "the same with the ordering permuted: mean, and what 95 % of permutations stay below" },
          { title: "Whole way", numeric: true, help: "mean of late less mean of early cells" }, { title: "Unit" },
        ]}
        rows={about.readouts.map((row) => {
          const works = row.quality !== null && row.null_q95 !== null && row.quality > row.null_q95;
          return [
            [<button type="button" class="chip" aria-pressed={row === readout} onClick={() => change({ readout: row.readout })}>{row.readout}</button>], [row.what], [row.measure],
            [<><span class={works ? "strong" : "muted"}>{fixed(row.quality)}</span>{!works && row.quality !== null && <div class="small muted">no better than its null</div>}</>, source("quality", row)],
            [<>{fixed(row.null_mean)} <span class="muted">· {fixed(row.null_q95)}</span></>, source("null_q95", row)], [number(row.span), source("span", row)], [row.unit],
          ];
        })}
      />
    </section>
  );
}

/** What came of it, in a sentence for each arm. */
function Verdict({ all, about, readout, alpha, at }: Omit<View, "words"> & { all: Steered[] }) {
  const within = ofSteering("steering", about.layer);
  const parts = (["on", "off"] as const).flatMap((arm) => {
    const own = all.filter((one) => one.arm === arm && one.atom[at]);
    if (!own.length) return [];
    const side = expected(arm, alpha, readout);
    const moved = (effects: (Effect | null | undefined)[]) => effects.filter((effect) => effect && Math.sign(effect[0] ?? 0) === side && (about.algebraic || sure(effect))).length;
    const controls = own.filter((one) => one.matched?.atom[at]);
    return [{ arm, n: own.length, moved: moved(own.map((one) => one.atom[at])), controls: controls.length, movedControls: moved(controls.map((one) => one.matched!.atom[at])) }];
  });
  return (
    <p class="lede">
      {parts.map(({ arm, n, moved, controls, movedControls }) => (
        <span key={arm}>
          <b class="num" {...from("steering.effect", { within, n: plural(n, "feature"), how: `effects on the expected side${about.algebraic ? "" : " with q < 0.05"}`, null: "matched features that do not switch" })}>{moved} of {n}</b> {arm}-features move {readout.readout} to the expected side{about.algebraic ? "" : " at q < 0.05"}
          {controls > 0 && <>, of their matched controls <b class="num" {...from("steering.effect", { within, how: "effects on the same side, of features that are as frequent and do not switch" })}>{movedControls} of {controls}</b></>}.{" "}
        </span>
      ))}
    </p>
  );
}

const markOf = (effect: Effect | null | undefined, kind: Mark["kind"], filled = true): Mark =>
  ({ value: effect?.[0] ?? null, low: effect?.[1] ?? null, high: effect?.[2] ?? null, kind, sure: filled });

function Effects({ about, readout, alpha, at, words, all, chosen }: View & { all: Steered[]; chosen: Steered | null }) {
  const { id } = useRun();
  const [query] = useQuery();
  const { layer } = about;
  const within = ofSteering("steering", layer);
  const span = readout.span || null;
  const pick = (one: Steered) => paths.steering(id, { ...query, feature: String(one.feature) });
  const show = aligned(all.map((one) => one.atom[at]?.[0] ?? null));
  const groups: EffectGroup[] = (["on", "off"] as const).map((arm) => {
    const own = all.filter((one) => one.arm === arm && one.atom[at]);
    return {
      title: arm === "on" ? `On-features: rise along the ordering (${own.length})` : `Off-features: fall along the ordering (${own.length})`,
      tone: arm === "on" ? "blue" : "vermilion", side: expected(arm, alpha, readout),
      rows: own.slice(0, MOST).map((one) => {
        const effect = one.atom[at]!;
        return {
          key: String(one.feature), place: `${layer}·${one.feature}`, name: featureName(words, one), href: paths.feature(id, layer, one.feature),
          pick: pick(one), chosen: one === chosen, text: show(effect[0]),
          marks: [markOf(effect, "own", about.algebraic || sure(effect)), markOf(one.matched?.atom[at], "matched"), markOf(one.random[at], "random")],
          spoken: `interval ${number(effect[1])} to ${number(effect[2])}; matched ${number(one.matched?.atom[at]?.[0])}, random ${number(one.random[at]?.[0])}`,
        };
      }),
    };
  });
  const caption = `Effect of steering features of layer ${layer} on ${readout.readout} (${readout.unit}) in early cells, activation times ${alpha}, with 95 % intervals over cells; beside each its matched feature and its random direction.`;
  const source = (column: string, one: Steered) => from(`steering.${column}`, { within, n: plural(one.nCells ?? 0, "early cell"), null: "signs of cells flipped; beside it a matched feature and a random direction" });
  const row = (i: number) => all[i]!;
  const effect = (i: number) => row(i).atom[at];
  const columns: Column[] = [
    { key: "arm", title: "Arm", width: "2.25rem", phone: "2.25rem", cell: (i) => row(i).arm },
    { key: "feature", title: "Feature", width: "4rem", phone: "minmax(0, 1fr)", cell: (i) => <a class="num" href={`#${paths.feature(id, layer, row(i).feature)}`}>{layer}·{row(i).feature}</a> },
    { key: "name", title: "Label", width: "minmax(8rem, 1fr)", phone: UNDER, cell: (i) => <a class="quiet" href={`#${pick(row(i))}`}>{featureName(words, row(i))}</a> },
    { key: "effect", title: "Effect", width: "4.75rem", phone: "5.25rem", numeric: true, help: `change of ${readout.readout}, ${readout.unit}`, cell: (i) => <span {...source("effect", row(i))}>{show(effect(i)?.[0] ?? null)}</span> },
    { key: "interval", title: "Interval (95 %)", width: "10.75rem", numeric: true, extra: true, cell: (i) => <span {...source("low", row(i))}>{show(effect(i)?.[1] ?? null)} to {show(effect(i)?.[2] ?? null)}</span> },
    ...(span ? [{ key: "share", title: "Of the way", width: "4.25rem", numeric: true, help: "share of the whole way from early to late", cell: (i: number) => <span {...from("steering.effect", { within, how: "effect over the span of the readout" })}>{effect(i) ? signed(percent((effect(i)![0] ?? NaN) / span), effect(i)![0]) : MISSING}</span> }] : []),
    { key: "matched", title: "Matched", width: "4.75rem", numeric: true, help: "effect of its matched control", cell: (i) => <span {...source("effect", row(i))}>{show(row(i).matched?.atom[at]?.[0] ?? null)}</span> },
    { key: "random", title: "Random", width: "4.75rem", numeric: true, help: "effect of its random direction", cell: (i) => <span {...source("effect", row(i))}>{show(row(i).random[at]?.[0] ?? null)}</span> },
    { key: "positive", title: "To late", width: "3.25rem", numeric: true, extra: true, help: "share of the cells that move towards late", cell: (i) => <span {...source("positive", row(i))}>{percent(effect(i)?.[3], 0)}</span> },
    ...(about.algebraic ? [] : [{ key: "q", title: "q", width: "5rem", phone: "5rem", numeric: true, help: "false discovery rate over all rows of the layer that have a test", cell: (i: number) => <span {...source("q", row(i))}>{probability(effect(i)?.[5])}</span> }]),
  ];
  const csv = () => all.map((one) => [layer, one.arm, one.feature, featureName(words, one), alpha, readout.readout, one.nCells, ...(one.atom[at] ?? Array<null>(6).fill(null)), one.matched?.feature, one.matched?.atom[at]?.[0], one.random[at]?.[0]]);
  const header = ["layer", "arm", "feature", "label", "alpha", "readout", "n_cells", "effect", "low", "high", "positive", "p", "q", "matched", "matched_effect", "random_effect"];
  const left = groups.reduce((sum, { rows }) => sum + rows.length, 0) < all.length;
  return (
    <>
      <figure class="panel" data-testid="effects">
        <figcaption class="with-take">
          <h2>Effect on {readout.readout}</h2>
          <SteeringKey />
          <SvgButton name={["steering", layer, readout.readout]} what="the effects" caption={caption} />
        </figcaption>
        <EffectsChart groups={groups} label={caption} axis={`effect on ${readout.readout}, ${readout.unit}`} whole={span} wholeAxis="share of the whole way from early to late" />
        <p class="small muted table-note">Shaded: the side on which effects are expected. A row chooses a feature, its name leads to its page.{left && ` The ${MOST} of each kind that switch most; the table has all.`}</p>
      </figure>
      <section class="panel table-panel short-table" aria-label="Effects as a table" data-testid="effects-table">
        <p class="table-title">
          <span class="strong">Effects as a table</span>
          <span class="push"><CsvButton name={["steering", layer, readout.readout, alpha]} what="the effects" of={{ table: "steering", within }} header={header} rows={csv} /></span>
        </p>
        <VirtualTable label={`Steered features of layer ${layer}`} columns={columns} rows={all.map((_, i) => i)} selected={chosen ? all.indexOf(chosen) : null} empty="No feature was steered." />
      </section>
    </>
  );
}

function Layer({ layers, about, words }: { layers: SteeredLayer[]; about: SteeredLayer; words: Words }) {
  const { id, summary } = useRun();
  const [query, change] = useQuery();
  const readout = about.readouts.find((row) => row.readout === query["readout"]) ?? about.readouts[0]!;
  const asked = query["alpha"] === undefined ? -1 : about.alphas.indexOf(Number(query["alpha"]));
  const at = asked >= 0 ? asked : about.alphas.length - 1;
  const alpha = about.alphas[at]!;
  const { layer } = about;
  const data = useLoad(`steered ${id} ${layer} ${readout.readout}`, () => loadSteered(id, layer, about.readouts.indexOf(readout)));
  return (
    <>
      <div class="toolbar" role="group" aria-label="What is shown">
        {layers.length > 1
          ? <label class="inline">Layer <select value={layer} onChange={(event) => change({ layer: event.currentTarget.value, feature: "" })}>{layers.map((other) => <option value={other.layer}>{other.layer}</option>)}</select></label>
          : <span class="inline">Layer <b class="num">{layer}</b></span>}
        <label class="inline">Readout <select value={readout.readout} onChange={(event) => change({ readout: event.currentTarget.value })}>{about.readouts.map((row) => <option value={row.readout}>{row.readout}</option>)}</select></label>
        <label class="inline">Activation times <select value={alpha} onChange={(event) => change({ alpha: event.currentTarget.value })}>{about.alphas.map((dose) => <option value={dose}>{dose}{dose === 0 ? ", ablated" : ""}</option>)}</select></label>
      </div>
      {about.algebraic && <p class="note" role="note">Layer {layer} is the last: no block follows it, so that an effect is the feature's atom times the readout, which arithmetic decides and no cell answers. Cells are nothing to test it on, and single features have no p or q.</p>}
      <Readouts about={about} readout={readout} change={change} />
      <Load of={data}>
        {(all) => {
          const chosen = all.find(({ feature }) => feature === Number(query["feature"])) ?? all.find((one) => one.atom[at]) ?? null;
          const view = { about, readout, alpha, at, words };
          return (
            <>
              <Verdict all={all} {...view} />
              <Effects all={all} chosen={chosen} {...view} />
              <SteeringArms about={about} readout={readout} alpha={alpha} />
              {chosen && (
                <>
                  <div class="toolbar"><label class="inline long">One feature closely <select value={chosen.feature} onChange={(event) => change({ feature: event.currentTarget.value })}>{all.map((one) => <option value={one.feature}>{one.arm} · {layer}·{one.feature} {featureName(words, one)}</option>)}</select></label></div>
                  <SteeringFeature one={chosen} {...view} />
                </>
              )}
            </>
          );
        }}
      </Load>
      <p class="small muted table-note">
        {typeof about.notes["order_name"] === "string" && `Cells are ordered by ${about.notes["order_name"]}. `}
        {count(about.n_tested)} features of layer {layer} were tested for switching; <span class="num" {...from("switches.arm", { within: ofSteering("switches", layer) })}>{count(about.counts.on)}</span> on-features, <span class="num" {...from("switches.arm", { within: ofSteering("switches", layer) })}>{count(about.counts.off)}</span> off-features and <span class="num" {...from("switches.arm", { within: ofSteering("switches", layer) })}>{count(about.counts.matched)}</span> controls were steered{about.n_missing > 0 && `; ${count(about.n_missing)} that switch fire in too few early cells to be steered`}.
      </p>
      <PythonCell code={steeringCode(summary, layer, readout.readout, alpha)} />
    </>
  );
}

const LACKING = "No feature was steered in this run. This pushes the features that switch along an ordering of the cells and reads what early cells become:";

function Body({ results: { layers, outdated }, words }: { results: Results<SteeredLayer>; words: Words }) {
  const { summary } = useRun();
  const [query] = useQuery();
  const about = layers.find(({ layer }) => String(layer) === query["layer"]) ?? layers[0];
  return about?.readouts.length
    ? <Layer key={about.layer} layers={layers} about={about} words={words} />
    : <Lacking why={whyNone(summary, "steering", LACKING, outdated)} command={`cellprism steer RUN --layer ${middle(summary)}`} />;
}

export default function SteeringPage() {
  const { id } = useRun();
  useTitle("Steering");
  const words = useWords();
  const results = useLoad(`steering ${id}`, () => loadSteering(id));
  return (
    <>
      <header class="page-head">
        <h1>Steering</h1>
        <p class="lede">Does pushing a feature move cells along? Features that rise or fall along an ordering of the cells are strengthened or weakened in early cells, and readouts that took no part in choosing them say how far these cells move.</p>
      </header>
      <Load of={words}>{(words) => <Load of={results}>{(results) => <Body results={results} words={words} />}</Load>}</Load>
    </>
  );
}
