// Every metric and rate of every layer, with its number of units and its null.
import type { LayerSummary } from "../data/types";
import { count, fixed, percent, share } from "../lib/format";
import { metricShow, metricTitle, rateTitle, units } from "../lib/names";
import { Sideways } from "./sideways";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";
import type { Cell } from "../lib/save";
import { CsvButton } from "./take";

export function LayerSummaryTable({ layers }: { layers: LayerSummary[] }) {
  const { id } = useRun();
  const metrics = [...new Set(layers.flatMap((layer) => layer.metrics.map((m) => m.metric)))];
  const rates = [...new Set(layers.flatMap((layer) => layer.rates.map((r) => r.rate)))];
  const rows = (): Cell[][] => layers.flatMap((l) => [
    ...(["n_features", "n_alive", "n_rare", "n_annotated", "n_modules"] as const).map((name) => [l.layer, "count", name, l[name], null, "feature"]),
    ...l.rates.map((r) => [l.layer, "rate", r.rate, r.value, r.n, r.unit, r.null_mean, r.null_q95, r.n_permutations, r.null, r.protocol]),
    ...l.metrics.map((m) => [l.layer, "metric", m.metric, m.value, m.n, m.unit]),
    [l.layer, "metric", "map_trustworthiness", l.map?.trustworthiness, null, "feature"],
  ]);
  const header = ["layer", "kind", "name", "value", "n", "unit", "null_mean", "null_q95", "n_permutations", "null", "protocol"];
  return (
    <>
    <CsvButton name={["numbers"]} what="the numbers of every layer" header={header} rows={rows} />
    <Sideways label="Numbers of every layer">
      <table>
        <thead>
          <tr>
            <th scope="col">Number</th>
            {layers.map(({ layer }) => <th scope="col" class="num"><a href={`#${paths.layer(id, layer)}`}>Layer {layer}</a></th>)}
          </tr>
        </thead>
        <tbody>
          <tr><th scope="row">Features alive <span class="muted">of all</span></th>{layers.map((l) => <td class="num" {...from("features.dead", { layer: l.layer })}>{count(l.n_alive)} <span class="muted">of {count(l.n_features)}</span></td>)}</tr>
          <tr><th scope="row">Rare features</th>{layers.map((l) => <td class="num" {...from("features.rare", { layer: l.layer })}>{count(l.n_rare)}</td>)}</tr>
          <tr><th scope="row">Modules</th>{layers.map((l) => <td class="num" {...from("modules.module", { layer: l.layer })}>{count(l.n_modules)}</td>)}</tr>
          {rates.map((name) => (
            <tr>
              <th scope="row">{rateTitle(name)} <span class="muted">share; null mean, 95 % quantile</span></th>
              {layers.map((l) => {
                const rate = l.rates.find((r) => r.rate === name);
                return <td class="num" {...(rate ? from("rates.value", { layer: l.layer, name, n: `${count(rate.n)} ${units(rate.unit)}`, null: `${rate.null}${rate.n_permutations ? `; ${rate.n_permutations} permutations` : ""}` }) : {})}>{percent(rate?.value)}<br /><span class="muted">{rate && rate.null_mean !== null && (rate.n_permutations === 0 ? "null by calculation " + share(rate.null_mean < 1e-6 ? 0 : rate.null_mean) : rate.null_mean === 0 ? `none in ${rate.n_permutations} shuffles` : `null ${share(rate.null_mean)}, ${share(rate.null_q95)}`)}</span></td>;
              })}
            </tr>
          ))}
          {metrics.map((name) => (
            <tr>
              <th scope="row">{metricTitle(name)}</th>
              {layers.map((l) => {
                const metric = l.metrics.find((m) => m.metric === name);
                return <td class="num" {...from("metrics.value", { layer: l.layer, name })}>{metricShow(name, metric?.value ?? null)}{metric && metric.n !== null && <><br /><span class="muted">{count(metric.n)} {units(metric.unit)}</span></>}</td>;
              })}
            </tr>
          ))}
          <tr><th scope="row">Trustworthiness of the map <span class="muted">of 1</span></th>{layers.map((l) => <td class="num" {...from("map.x", { layer: l.layer })}>{fixed(l.map?.trustworthiness)}</td>)}</tr>
        </tbody>
      </table>
    </Sideways>
    </>
  );
}
