// On a feature's page: features of the other runs of this atlas that have more of its top genes than chance gives.
import { NONE32 } from "../data/columns";
import { loadGenes, loadSummary, loadTerms, loadTopGenes } from "../data/store";
import type { RunEntry } from "../data/types";
import { count, plural, probability, shortTerm } from "../lib/format";
import { matchGenes, rankFeatures } from "../lib/gene-list";
import { Load, useLoad } from "../lib/load";
import { useNear } from "../lib/near";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { from } from "../lib/source";

const Q = 0.05;
const FEW = 6;

interface Like {
  layer: number;
  feature: number;
  label: string;
  overlap: number;
  q: number;
  /** the top genes that both have */
  shared: string;
}

interface Found {
  likes: Like[];
  /** of these, those at q below the level */
  sure: number;
  family: number;
  /** genes of the feature that could be a top gene there, and genes that could be one */
  listed: number;
  background: number;
}

async function find({ id, layers }: RunEntry, symbols: string[]): Promise<Found> {
  const [summary, genes, terms, tops] = await Promise.all([loadSummary(id), loadGenes(id), loadTerms(id), loadTopGenes(id, layers)]);
  const matched = matchGenes(symbols, genes, summary.background.min_seen, new Map());
  const { hits, shared, family } = rankFeatures(tops, matched, genes.symbol.length);
  const sure = hits.filter(({ q }) => q < Q);
  const likes = sure.slice(0, FEW).map((hit): Like => ({
    layer: hit.layer, feature: hit.feature, label: hit.label === NONE32 ? "" : terms.term[hit.label] ?? "", overlap: hit.overlap, q: hit.q,
    shared: shared(hit).map((gene) => genes.symbol[gene]).join(" "),
  }));
  return { likes, sure: sure.length, family, listed: matched.genes.length, background: matched.background };
}

function InRun({ entry, symbols }: { entry: RunEntry; symbols: string[] }) {
  const found = useLoad(`like it in ${entry.id} ${symbols.join(" ")}`, () => find(entry, symbols));
  return (
    <div data-run={entry.id}>
      <h3>In the run {entry.title}</h3>
      <Load of={found}>
        {({ likes, sure, family, listed, background }) => {
          const source = (layer: number) => from("top_genes.gene", {
            layer, how: `one-sided hypergeometric test of the feature's ${plural(listed, "top gene")} that could be one there, Benjamini-Hochberg over ${count(family)} features`,
            null: `as many genes drawn from the ${count(background)} that could be a top gene`,
          });
          return (
            <>
              <p class="small muted">top genes shared, and the false discovery rate over the {count(family)} features of that run; atoms of different runs cannot be compared</p>
              {likes.length === 0 && <p class="empty">{listed ? "None: no feature there shares more of these genes than chance gives." : "None of these genes could be a top gene there."}</p>}
              <ol>
                {likes.map(({ layer, feature, label, overlap, q, shared }) => (
                  <li key={`${layer} ${feature}`}>
                    <a href={`#${paths.feature(entry.id, layer, feature)}`} title={shared}><span class="num">{layer}·{feature}</span> <span class="quiet">{label ? shortTerm(label) : "not annotated"}</span></a>
                    <span class="bar" aria-hidden="true"><i style={{ width: `${(100 * overlap) / Math.max(1, listed)}%` }} /></span>
                    <span class="num small" {...source(layer)}>{overlap} of {listed}, q {probability(q)}</span>
                  </li>
                ))}
              </ol>
              {sure > FEW && <p class="small"><a href={`#${paths.list(entry.id, symbols)}`}>All {count(sure)} by its genes</a></p>}
            </>
          );
        }}
      </Load>
    </div>
  );
}

export function OtherRuns({ symbols }: { symbols: string[] }) {
  const { id, atlas } = useRun();
  const [target, near] = useNear<HTMLDivElement>();
  const others = atlas.runs.filter((run) => run.id !== id);
  return (
    <div class="neighbours" ref={target} data-testid="other-runs">
      {others.length === 0 && (
        <div><h3>In another run</h3><p class="empty">This atlas has one run. Exported or served together with others, each feature shows its like in them.</p></div>
      )}
      {near && others.map((entry) => <InRun key={entry.id} entry={entry} symbols={symbols} />)}
    </div>
  );
}
