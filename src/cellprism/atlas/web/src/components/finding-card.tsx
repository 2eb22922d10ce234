// A feature worth opening, with the evidence for it.
import { loadFeature } from "../data/store";
import type { Finding, Genes } from "../data/types";
import { auroc, probability, shortTerm } from "../lib/format";
import { useLoad } from "../lib/load";
import { useNear } from "../lib/near";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { SmallGeneBars } from "./gene-bars";

const GENES = 5;

export function FindingCard({ finding, genes, words }: { finding: Finding; genes: Genes; words: Words }) {
  const { id } = useRun();
  const { layer, feature, term, group } = finding;
  const [card, near] = useNear<HTMLAnchorElement>();
  const details = useLoad(`finding ${id} ${layer} ${feature} ${near}`, async () => (near ? loadFeature(id, layer, feature) : null));
  const measured = new Map(details.value?.genes.map((row) => [row[0], row]));
  const rows = finding.genes.slice(0, GENES).map((gene) => measured.get(gene) ?? [gene, 0, 0, 0, 0, 0] as const);
  return (
    <a class="panel finding" href={`#${paths.feature(id, layer, feature)}`} ref={card}>
      <span class="small muted">Layer {layer} · feature {feature}</span>
      <span class="finding-name">{term === null ? "Not annotated" : shortTerm(words.terms.term[term] ?? "")}</span>
      <span class="small muted">{term !== null && `${words.terms.source[term]}, `}q {probability(finding.q)}</span>
      <SmallGeneBars rows={rows.map((row) => [...row])} genes={genes} most={GENES} />
      {group !== null && (
        <span class="finding-group small"><span>{words.groups.value[group]}</span><span class="num">AUROC {auroc(finding.auroc)}</span></span>
      )}
    </a>
  );
}
