// What goes on from layer to layer: rates with their nulls, the chains that last, and highways of any pair of layers.
import { Chains, Lasting } from "../components/chains";
import { Highways } from "../components/highways";
import { LayerChart, type LayerPoint } from "../components/layer-chart";
import { SvgButton } from "../components/take";
import { count, percent, roundPercent } from "../lib/format";
import { loadFlow, type Flow } from "../lib/flow";
import { Load, useLoad } from "../lib/load";
import { rateTitle } from "../lib/names";
import { absence, useRun, useTitle, useWords, type Words } from "../lib/run";
import { from } from "../lib/source";

const RATES = ["goes_on", "highway"];
const MEANINGS: Record<string, string> = {
  goes_on: "share of features whose atom has a match (absolute cosine of at least 0.7) among those of the next layer",
  highway: "share of features that fire at the same positions as a feature of the next layer (PMI above 3, q < 0.05)",
};

function Rates() {
  const { summary } = useRun();
  const { layers } = summary;
  const found = RATES.map((name) => {
    const own = layers.flatMap(({ layer, rates }) => rates.filter((rate) => rate.rate === name).map((rate) => ({ layer, rate })));
    const protocol = own.some(({ rate }) => rate.protocol === "calibrated") ? "calibrated" : "published";
    return { name, protocol, own: own.filter(({ rate }) => rate.protocol === protocol) };
  }).filter(({ own }) => own.length);
  const others = layers.flatMap(({ layer, rates }) => rates.filter(({ rate }) => /^highway_to:/.test(rate)).map((rate) => ({ layer, rate })));
  return (
    <section aria-labelledby="rates">
      <h2 id="rates">How much goes on?</h2>
      {found.length === 0 && others.length === 0 && <p class="note">{absence(summary, "chains") ?? "This run has a single layer, so nothing can go on from it."}</p>}
      <div class="cards charts charts-few">
        {found.map(({ name, protocol, own }) => {
          const points: LayerPoint[] = own.map(({ layer, rate }) => ({ layer, value: rate.value, nullMean: rate.null_mean, nullQ95: rate.null_q95 }));
          const about = own[0]!.rate;
          const nothing = about.null_mean === null;
          return (
            <figure class="panel">
              <figcaption><h3>{rateTitle(name)}</h3><p class="small muted">{MEANINGS[name]}; by layer{protocol === "calibrated" && name === "goes_on" && ", each the other's best"}</p></figcaption>
              <LayerChart points={points} show={(v) => percent(v)} brief={roundPercent} label={rateTitle(name)} />
              <p class="small muted chart-key">
                <span><i class="key-dot" /> observed</span>
                {nothing ? <span>no null was published</span> : <span title={about.null}><i class="key-band" /> null{about.n_permutations ? `, ${about.n_permutations} shuffles` : ", by calculation"}</span>}
                <SvgButton name={[name]} what={`the chart of ${rateTitle(name)}`} caption={`${rateTitle(name)}: ${MEANINGS[name]}, by layer (${protocol} protocol). Null: ${about.null}.`} />
              </p>
              <p class="small muted">{nothing ? "" : `Null: ${about.null}.`}</p>
            </figure>
          );
        })}
        {others.length > 0 && (
          <div class="panel">
            <h3>Features with a partner in a later layer</h3>
            <p class="small muted">{others.some(({ rate }) => rate.protocol === "calibrated") ? MEANINGS["highway"]!.replace("the next layer", "that layer") : "as published: some partner with PMI above 3; no test and no null were published"}</p>
            <table class="table-note">
              <thead><tr><th scope="col">Layers</th><th scope="col" class="num">Share</th><th scope="col" class="num">Null</th><th scope="col" class="num">Features</th></tr></thead>
              <tbody>{others.map(({ layer, rate }) => <tr><th scope="row">{layer} to {rate.rate.replace(/\D/g, "")}</th><td class="num" {...from("rates.value", { layer, name: rate.rate, null: rate.null })}>{percent(rate.value)}</td><td class="num" {...from("rates.null_mean", { layer, name: rate.rate, null: rate.null })}>{percent(rate.null_mean)}</td><td class="num" {...from("rates.n", { layer, name: rate.rate })}>{count(rate.n)}</td></tr>)}</tbody>
            </table>
          </div>
        )}
      </div>
    </section>
  );
}

function Body({ flow, words }: { flow: Flow; words: Words }) {
  return (
    <>
      <Rates />
      <Highways flow={flow} words={words} />
      <Lasting flow={flow} />
      <Chains flow={flow} words={words} />
    </>
  );
}

export default function FlowPage() {
  const { id } = useRun();
  useTitle("Flow");
  const words = useWords();
  const flow = useLoad(`flow ${id}`, () => loadFlow(id));
  return (
    <>
      <header class="page-head">
        <h1>Flow</h1>
        <p class="lede">What goes on from layer to layer: features whose atoms match from one layer to the next, and features of different layers that fire at the same positions.</p>
      </header>
      <Load of={words}>{(words) => <Load of={flow}>{(flow) => <Body flow={flow} words={words} />}</Load>}</Load>
    </>
  );
}
