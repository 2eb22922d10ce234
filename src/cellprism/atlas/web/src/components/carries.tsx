// On a feature's page: what was found by taking it away.
import { scoreUnit, signed } from "../lib/ablation";
import type { Feature } from "../data/types";
import { number, percent, plural, probability, shortTerm } from "../lib/format";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { ofAblation } from "../lib/source";
import { ARMS } from "./damage";
import { Forest } from "./forest";
import { carried } from "./patching";
import { From } from "./source";
import { SvgButton } from "./take";

function Patched({ layer, feature, of }: { layer: number; feature: number; of: NonNullable<Feature["patching"]> }) {
  const { summary } = useRun();
  const [source, term, nGenes, nCells, effect, low, high, , q, random] = of;
  const unit = scoreUnit(summary);
  const within = ofAblation("patching", layer);
  const about = { within, n: `${plural(nCells, "cell")}, ${plural(nGenes, "gene")}`, null: "a random member of each match in place of the held-out gene" };
  const verdict = carried({ q, effect }) ? "It carries them" : q !== null && q < 0.05 ? "It works against them" : "Genes like them change as much";
  const caption = `Change of hidden genes of “${shortTerm(term)}” beyond their controls when feature ${feature} of layer ${layer} is taken away, ${unit}, with a 95 % interval over cells; hollow: a random direction of the same length.`;
  return (
    <section aria-label="Hidden genes of its term">
      <p>
        Without it, {plural(nGenes, "hidden gene")} of <b title={`${source}: ${term}`}>{shortTerm(term)}</b> that {nGenes === 1 ? "is not its top gene" : "are not its top genes"} change by <From of="patching.effect" {...about}>{signed(number(effect), effect)}</From> {unit} more than their controls, in {plural(nCells, "cell")}
        {" "}(a random direction: <From of="patching.random" within={within}>{signed(number(random), random)}</From>). {verdict}: q <From of="patching.q" {...about}>{probability(q)}</From>.
      </p>
      <Forest none={0} axis={`change of the score of hidden genes, ${unit}`} ends={["carries its term", "works against it"]} label={caption} rows={[{
        key: "own", name: "this feature", value: effect, low, high, beside: random, sure: (q ?? 1) < 0.05,
        said: `${number(effect)} ${unit}, 95 % from ${number(low)} to ${number(high)}; random direction ${number(random)}`,
      }]} />
      <p class="chart-key"><SvgButton name={["layer", layer, "feature", feature, "patching"]} what="the effect on its term" caption={caption} /></p>
    </section>
  );
}

function Damaged({ layer, of }: { layer: number; of: NonNullable<Feature["damage"]> }) {
  const { id } = useRun();
  const within = ofAblation("damage", layer);
  return (
    <ul class="parts">
      {of.map(([arm, partner, nCells, loss, hit]) => (
        <li>
          Any hidden genes: loss <From of="damage.loss" within={within} n={`${plural(nCells, "cell")} in which it fires`}>{signed(number(loss), loss)}</From>
          {hit !== null && <>, guessed first <From of="damage.hit" within={within}>{signed(percent(hit, 2), hit)}</From></>} without it
          <span class="muted"> (measured as {partner === null ? `one of the ${ARMS[arm] ?? arm} features` : <>one as frequent as <a href={`#${paths.feature(id, layer, partner)}`}>{layer}·{partner}</a></>})</span>
        </li>
      ))}
    </ul>
  );
}

export function Carries({ layer, feature: { feature, patching, damage } }: { layer: number; feature: Feature }) {
  const { id } = useRun();
  if (!patching && !damage) return null;
  return (
    <section class="panel stack" aria-labelledby="carries">
      <div class="panel-head">
        <h2 id="carries">{patching ? "Carries its term?" : "What is lost without it"}</h2>
        <a class="button" href={`#${paths.ablation(id, { ...(patching ? { patch: String(layer) } : {}), ...(damage ? { damage: String(layer) } : {}) })}`}>Beside other features</a>
      </div>
      {patching && <Patched layer={layer} feature={feature} of={patching} />}
      {damage && <Damaged layer={layer} of={damage} />}
    </section>
  );
}
