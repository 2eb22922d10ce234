// Features that last over several layers: how many, and which.
import { count, fixed, percent, plural, shortTerm } from "../lib/format";
import { loadChains, type Chain, type Flow } from "../lib/flow";
import { Load, useLoad } from "../lib/load";
import { paths, useWhole } from "../lib/route";
import { absence, useRun, type Words } from "../lib/run";
import { from } from "../lib/source";
import { From } from "./source";
import { Sideways } from "./sideways";
import { CsvButton } from "./take";

const FEW = 8;
const MOST = 60;

/** For every pair of layers, the features of the first that are still there in the second. */
export function Lasting({ flow }: { flow: Flow }) {
  const { summary } = useRun();
  const layers = summary.layers.map(({ layer }) => layer);
  const { lasting } = flow;
  if (!lasting) return null;
  const most = Math.max(...lasting.reach.flatMap((row, i) => row.filter((_, j) => j > i)), 1);
  const shade = (n: number) => `color-mix(in srgb, var(--bar) ${Math.round((45 * n) / most)}%, transparent)`;
  return (
    <section aria-labelledby="lasting">
      <div class="section-head">
        <h2 id="lasting">How far features last</h2>
        <p class="muted">features of a layer (row) that are matched step by step as far as another (column)</p>
      </div>
      <Sideways label="Table of how far features last" class="panel fit">
        <table class="reach">
          <thead><tr><th scope="col">From layer</th><th scope="col" class="num">New here</th>{layers.slice(1).map((layer) => <th scope="col" class="num">to {layer}</th>)}</tr></thead>
          <tbody>
            {layers.slice(0, -1).map((layer, i) => (
              <tr>
                <th scope="row">{layer}</th>
                <td class="num" {...from("chains.first_layer")}>{count(lasting.born[i])}<span class="muted"> of {count(lasting.reach[i]![i])}</span></td>
                {layers.slice(1).map((_, j) => {
                  const n = lasting.reach[i]![j + 1]!;
                  return j < i ? <td /> : <td class="num" {...from("chain_members.")} style={{ background: shade(n) }}>{count(n)}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Sideways>
    </section>
  );
}

interface ChainProps {
  chain: Chain;
  words: Words;
}

const nameOf = (words: Words) => (term: number | null | undefined) =>
  (term === null || term === undefined ? "not annotated" : shortTerm(words.terms.term[term] ?? ""));

function Links({ chain, words, layer: own }: ChainProps & { layer?: number }) {
  const { id, summary } = useRun();
  const [first, features, cosines, terms] = chain;
  const layers = summary.layers.map(({ layer }) => layer).filter((layer) => layer >= first);
  return (
    <p class="chain">
      {features.map((feature, i) => (
        <>
          {i > 0 && <span class="link small num" title="absolute cosine of the atoms" {...from("chain_members.cosine")}>{fixed(cosines[i - 1])}</span>}
          <a class="chip num" aria-current={layers[i] === own ? "true" : undefined} href={`#${paths.feature(id, layers[i]!, feature)}`} title={nameOf(words)(terms[i])}>{layers[i]}·{feature}</a>
        </>
      ))}
    </p>
  );
}

function Row({ chain, words }: ChainProps) {
  const { summary } = useRun();
  const [first, features, , terms] = chain;
  const layers = summary.layers.map(({ layer }) => layer).filter((layer) => layer >= first);
  const names = [...new Set(terms.map(nameOf(words)))];
  return (
    <li>
      <p><b>{names.slice(0, 3).join(" → ")}</b>{names.length > 3 && " → …"} <span class="small muted">layers {first} to {layers[features.length - 1]}</span></p>
      <Links chain={chain} words={words} />
    </li>
  );
}

/** On a feature's page: the features of other layers that it is matched with. */
export function GoesOn({ chain, words, layer }: ChainProps & { layer: number }) {
  return (
    <div class="goes-on">
      <h3>From layer to layer</h3>
      <p class="small muted">each the other's best match, with the absolute cosine of their atoms</p>
      <Links chain={chain} words={words} layer={layer} />
    </div>
  );
}

export function Chains({ flow, words }: { flow: Flow; words: Words }) {
  const { id, summary } = useRun();
  const [all, showAll] = useWhole("chains");
  const chains = useLoad(`chains ${id}`, () => (flow.n_files ? loadChains(id, 0) : Promise.resolve([])));
  const layers = summary.layers.map(({ layer }) => layer);
  const head = (
    <div class="section-head">
      <h2 id="chains">The features that last longest</h2>
      <p class="muted">each the other's best match from layer to layer; the number between two is the absolute cosine of their atoms</p>
    </div>
  );
  if (!flow.n_chains) {
    return <section aria-labelledby="chains">{head}<p class="note">{absence(summary, "chains") ?? "No feature has a mutual match of at least 0.7 in the layer after."}</p></section>;
  }
  return (
    <section aria-labelledby="chains">
      {head}
      <Load of={chains}>
        {(rows) => (
          <div class="panel">
            <p class="table-title">
              <span><From of="chains.n_layers">{plural(flow.n_chains, "chain")}</From> over two layers or more<span class="muted">, {percent(flow.n_chains / Math.max(1, (flow.lasting?.born ?? []).reduce((a, b) => a + b, 0)))} of all features as they first appear</span></span>
              <span class="push"><CsvButton
                name={["chains"]} what="the chains" of={{ table: "chain_members" }} header={["chain", "layer", "feature", "cosine_with_previous", "label_source", "label"]}
                rows={() => rows.flatMap(([first, features, cosines, terms], chain) => features.map((feature, i) => [chain, layers[layers.indexOf(first) + i], feature, cosines[i - 1], words.terms.source[terms[i] ?? -1], words.terms.term[terms[i] ?? -1]]))}
              /></span>
            </p>
            <ol class="chains">{rows.slice(0, all ? MOST : FEW).map((chain) => <Row chain={chain} words={words} />)}</ol>
            {!all && rows.length > FEW && <button type="button" class="button more" onClick={showAll}>Show {count(Math.min(MOST, rows.length))}</button>}
          </div>
        )}
      </Load>
    </section>
  );
}
