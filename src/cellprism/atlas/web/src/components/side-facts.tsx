// One side of a comparison in numbers.
import type { LayerSummary, Summary } from "../data/types";
import { count, percent } from "../lib/format";
import { metricShow, metricTitle, nullPhrase, rateTitle } from "../lib/names";
import { paths } from "../lib/route";
import { from } from "../lib/source";

const RATES = ["annotated", "cell_type", "in_module"];
const METRICS = ["explained_variance"];

export function SideFacts({ half: { summary, about }, name }: { half: { summary: Summary; about: LayerSummary }; name: string }) {
  return (
    <section class="panel" aria-label={`The ${name} side`} data-run={summary.id} data-layer={about.layer}>
      <h2 class="side-title"><a href={`#${paths.layer(summary.id, about.layer)}`}>Layer {about.layer}</a> <span class="muted">{summary.title}</span></h2>
      <table>
        <tbody>
          <tr><th scope="row">Features alive</th><td class="num strong" {...from("features.dead")}>{count(about.n_alive)}</td><td class="small muted">of {count(about.n_features)}{about.n_rare !== null && `, ${count(about.n_rare)} rare`}</td></tr>
          {RATES.map((wanted) => {
            const rate = about.rates.find(({ rate }) => rate === wanted);
            return rate && <tr><th scope="row">{rateTitle(wanted)}</th><td class="num strong" {...from("rates.value", { name: wanted, n: `${count(rate.n)} features`, null: rate.null })}>{percent(rate.value)}</td><td class="small muted">{nullPhrase(rate)}</td></tr>;
          })}
          {METRICS.map((wanted) => {
            const metric = about.metrics.find(({ metric }) => metric === wanted);
            return metric && <tr><th scope="row">{metricTitle(wanted)}</th><td class="num strong" {...from("metrics.value", { name: wanted })}>{metricShow(wanted, metric.value)}</td><td class="small muted">{metric.n === null ? "" : `${count(metric.n)} ${metric.unit}s`}</td></tr>;
          })}
          <tr><th scope="row">Modules</th><td class="num strong" {...from("modules.")}>{count(about.n_modules)}</td><td /></tr>
        </tbody>
      </table>
    </section>
  );
}
