// What else is known of a feature: where its activation comes from, through which layers it lasts, what fires with it later.
import type { Feature } from "../data/types";
import { count, fixed, MISSING, number, percent, plural, probability, shortTerm } from "../lib/format";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from } from "../lib/source";
import { SourceButton } from "./source";

/** A feature that fires this often overlaps with everything. */
export const FREQUENT = 0.1;

/** Why the numbers of a feature need care. */
export function flags({ dead, rare, n_fired, frequency, variance }: Feature): [name: string, why: string][] {
  const found: [string, string][] = [];
  if (dead) found.push(["dead", "fires at no position of these cells"]);
  if (rare) found.push(["rare", `fires at ${plural(n_fired, "position")}, in fewer than ten cells, so every number here is unsure`]);
  if ((frequency ?? 0) > FREQUENT) found.push(["frequency-confounded", `fires at ${percent(frequency, 0)} of the positions, so that much of what fires with it does so by chance`]);
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

function Chain({ chain, layer }: { chain: NonNullable<Feature["chain"]>; layer: number }) {
  const { id } = useRun();
  return (
    <div>
      <div class="part-head"><h3>The same in other layers</h3><SourceButton table="chain_members" what="the layers" /></div>
      <p class="small muted">matched atoms from layer to layer, with their absolute cosine</p>
      <ol class="chain">
        {chain.map(([at, feature, cosine]) => (
          <li key={at}>
            {cosine !== null && <span class="small muted num" {...from("chain_members.cosine")}>{fixed(cosine)}</span>}
            {at === layer ? <span class="chip num" aria-current="true">{at}·{feature}</span> : <a class="chip num" href={`#${paths.feature(id, at, feature)}`}>{at}·{feature}</a>}
          </li>
        ))}
      </ol>
    </div>
  );
}

function Highways({ rows, words }: { rows: NonNullable<Feature["highways"]>; words: Words }) {
  const { id } = useRun();
  return (
    <div>
      <div class="part-head"><h3>Fires with it in the next layer</h3><SourceButton table="highways" what="these partners" /></div>
      <p class="small muted">pointwise mutual information (log₂) above 3, each pair passed its test; positions at which both fire</p>
      <ol class="partners">
        {rows.map(([at, feature, both, pmi, , term]) => (
          <li key={feature}>
            <a href={`#${paths.feature(id, at, feature)}`}><span class="num">{at}·{feature}</span> <span class="quiet">{term === null ? "not annotated" : shortTerm(words.terms.term[term] ?? "")}</span></a>
            <span class="num small" {...from("highways.pmi")}>{fixed(pmi)}</span><span class="num small muted" {...from("highways.count")}>{count(both)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Rest({ axis, string, nearest, layer }: { axis: Feature["axis"]; string: Feature["string"]; nearest: Feature["nearest"]; layer: number }) {
  const { id } = useRun();
  return (
    <dl class="more-facts">
      {axis && <div><dt>Nearest principal axis</dt><dd>axis {axis[0] ?? MISSING}, absolute cosine <span class="num" {...from("alignment.cosine")}>{fixed(axis[1])}</span></dd></div>}
      {string && <div><dt>Links among its top genes</dt><dd><span class="num" {...from("string_density.edges")}>{count(string[1])}</span> in the protein network, <span class="num" {...from("string_density.expected")}>{number(string[2])}</span> expected of genes with as many links; q <span class="num" {...from("string_density.q")}>{probability(string[5])}</span></dd></div>}
      {nearest && nearest[0] !== null && <div><dt>Nearest labelled feature</dt><dd><a class="num" href={`#${paths.feature(id, layer, nearest[0])}`}>{layer}·{nearest[0]}</a>, absolute cosine <span class="num" {...from("unlabelled.cosine")}>{fixed(nearest[1])}</span></dd></div>}
      {nearest && <div><dt>Reliability without a label</dt><dd><span class="num" {...from("unlabelled.reliability")}>{fixed(nearest[2])}</span> of its largest activation is the typical lower bound of its top genes</dd></div>}
    </dl>
  );
}

export function MoreAbout({ feature, layer, words }: { feature: Feature; layer: number; words: Words }) {
  const { variance, chain, highways, axis, string, nearest } = feature;
  if (!variance && !chain && !highways && !axis && !string && !nearest) return null;
  return (
    <section class="panel" aria-label="More about it">
      <div class="neighbours">
        {variance && <Variance shares={variance} />}
        {chain && <Chain chain={chain} layer={layer} />}
        {highways && <Highways rows={highways} words={words} />}
        {(axis || string || nearest) && <div><h3>Its place</h3><Rest {...{ axis, string, nearest, layer }} /></div>}
      </div>
    </section>
  );
}
