// On a feature's page: what pushing it did to cells, and which perturbed genes it answers to.
import type { Feature } from "../data/types";
import { count, number, percent, probability, signed } from "../lib/format";
import { ofRegulation } from "../lib/regulation";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";
import { ofSteering } from "../lib/steering";

const ARMS: Record<string, string> = { on: "rises along the ordering", off: "falls along the ordering", matched: "a control, which does not switch" };

export function Pushed({ feature: { feature, steering, responses }, layer }: { feature: Feature; layer: number }) {
  const { id } = useRun();
  if (!steering && !responses) return null;
  const query = { layer: String(layer) };
  return (
    <section class="panel" aria-label="Steering and perturbations" data-testid="pushed">
      <div class="halves">
        {steering && (
          <div>
            <div class="part-head"><h3>When it is pushed</h3><a href={`#${paths.steering(id, { ...query, feature: steering[0] === "matched" ? "" : String(feature) })}`}>Open Steering</a></div>
            <p class="small muted">activation times {steering[1]} in early cells; {ARMS[steering[0]] ?? steering[0]}</p>
            <dl class="split-key">
              {steering[2].map(([readout, effect, , , q, span]) => (
                <div key={readout}>
                  <dt>{readout}</dt>
                  <dd class="num" {...from("steering.effect", { within: ofSteering("steering", layer), null: "signs of cells flipped" })}>{signed(number(effect), effect)}{span && effect !== null ? ` (${percent(effect / span, 0)} of the way)` : ""}{q !== null && <span class="muted">, q {probability(q)}</span>}</dd>
                </div>
              ))}
            </dl>
          </div>
        )}
        {responses && (
          <div>
            <div class="part-head"><h3>When genes are perturbed</h3><a href={`#${paths.regulation(id, query)}`}>Open Regulation</a></div>
            <p class="small muted"><span class="num" {...from("responses.q", { within: ofRegulation("responses", layer), how: "perturbations with q < 0.05" })}>responds to {count(responses[1])} of {count(responses[0])}</span> perturbations at q &lt; 0.05</p>
            <dl class="split-key">
              {responses[2].map(([target, effect, , , , q]) => (
                <div key={target}>
                  <dt><a class="gene" href={`#${paths.regulation(id, { ...query, gene: target })}`}>{target}</a></dt>
                  <dd class="num" {...from("responses.effect", { within: ofRegulation("responses", layer) })}>{signed(number(effect), effect)}<span class="muted">, q {probability(q)}</span></dd>
                </div>
              ))}
            </dl>
          </div>
        )}
      </div>
    </section>
  );
}
