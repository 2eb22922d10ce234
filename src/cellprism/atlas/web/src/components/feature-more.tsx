// What else is known of a feature: where its activation comes from and what is near it.
import type { Feature } from "../data/types";
import { count, fixed, MISSING, number, percent, plural, probability } from "../lib/format";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";
import { SourceButton } from "./source";

/** A feature that fires this often overlaps with everything. */
export const FREQUENT = 0.1;

/** Share of the dictionaries of other seeds in which a feature must be found again. */
const FOUND_AGAIN = 0.5;

/** Why the numbers of a feature need care. */
export function flags({ dead, rare, n_fired, frequency, variance, stability }: Feature): [name: string, why: string][] {
  const found: [string, string][] = [];
  if (dead) found.push(["dead", "fires at no position of these cells"]);
  if (rare) found.push(["rare", `fires at ${plural(n_fired, "position")}, in fewer than ten cells, so every number here is unsure`]);
  if ((frequency ?? 0) > FREQUENT) found.push(["frequency-confounded", `fires at ${percent(frequency, 0)} of the positions, so that much of what fires with it does so by chance`]);
  if (stability && (stability[1] ?? 1) < FOUND_AGAIN) found.push(["unstable", `another seed finds this atom again in ${percent(stability[1], 0)} of ${plural(stability[0] ?? 0, "dictionary", "dictionaries")}`]);
  if (variance?.[3]) found.push(["static", `the gene alone explains ${percent(variance[0], 0)} of its activation: a cluster of genes, whatever the cell`]);
  return found;
}

function Variance({ shares }: { shares: NonNullable<Feature["variance"]> }) {
  const parts: [name: string, column: string, share: number | null][] = [["gene", "gene", shares[0]], ["cell", "cell", shares[1]], ["gene in its context", "rest", shares[2]]];
  const wide = (share: number | null) => `${100 * Math.max(0, Math.min(1, share ?? 0))}%`;
  return (
    <div>
      <div class="part-head"><h3>Where its activation comes from</h3><SourceButton table="variance" what="these shares" /></div>
      <p class="small muted">share of the activation's variance over positions</p>
      <div class="split" aria-hidden="true">{parts.map(([name, column, share]) => <i key={name} class={`split-${column}`} style={{ width: wide(share) }} />)}</div>
      <dl class="split-key">{parts.map(([name, column, share]) => <div key={name}><dt><i class={`split-${column}`} /> {name}</dt><dd class="num" {...from(`variance.${column}`)}>{percent(share)}</dd></div>)}</dl>
    </div>
  );
}

function Rest({ feature: { axis, string, nearest, stability }, layer }: { feature: Feature; layer: number }) {
  const { id } = useRun();
  return (
    <dl class="more-facts">
      {axis && <div><dt>Nearest principal axis</dt><dd>axis {axis[0] ?? MISSING}, absolute cosine <span class="num" {...from("alignment.cosine")}>{fixed(axis[1])}</span></dd></div>}
      {stability && <div><dt>Other seeds</dt><dd>the same atom in <span class="num" {...from("stability.same_atom")}>{percent(stability[1], 0)}</span> of {count(stability[0])}; firings overlap with its best partner's by <span class="num" {...from("stability.jaccard", { null: `codes permuted among positions of the same gene: ${fixed(stability[3])}` })}>{fixed(stability[2])}</span>, null {fixed(stability[3])}</dd></div>}
      {string && <div><dt>Links among its top genes</dt><dd><span class="num" {...from("string_density.edges")}>{count(string[1])}</span> in the protein network, <span class="num" {...from("string_density.expected")}>{number(string[2])}</span> expected of genes with as many links; q <span class="num" {...from("string_density.q")}>{probability(string[5])}</span></dd></div>}
      {nearest && nearest[0] !== null && <div><dt>Nearest labelled feature</dt><dd><a class="num" href={`#${paths.feature(id, layer, nearest[0])}`}>{layer}·{nearest[0]}</a>, absolute cosine <span class="num" {...from("unlabelled.cosine")}>{fixed(nearest[1])}</span></dd></div>}
      {nearest && <div><dt>Reliability without a label</dt><dd><span class="num" {...from("unlabelled.reliability")}>{fixed(nearest[2])}</span> of its largest activation is the typical lower bound of its top genes</dd></div>}
    </dl>
  );
}

export function MoreAbout({ feature, layer }: { feature: Feature; layer: number }) {
  const { variance, axis, string, nearest, stability } = feature;
  if (!variance && !axis && !string && !nearest && !stability) return null;
  return (
    <section class="panel" aria-label="More about it">
      <div class="halves">
        {variance && <Variance shares={variance} />}
        {(axis || string || nearest || stability) && <div><h3>Its place</h3><Rest feature={feature} layer={layer} /></div>}
      </div>
    </section>
  );
}
