// A feature worth opening, with the evidence for it.
import type { Finding, GeneNames } from "../data/types";
import { auroc, probability, shortTerm } from "../lib/format";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { SmallGeneBars } from "./gene-bars";

const GENES = 5;

export function FindingCard({ finding, genes, words }: { finding: Finding; genes: GeneNames; words: Words }) {
  const { id } = useRun();
  const { layer, feature, term, group } = finding;
  return (
    <a class="panel finding" href={`#${paths.feature(id, layer, feature)}`}>
      <span class="small muted">Layer {layer} · feature {feature}</span>
      <span class="finding-name">{term === null ? "Not annotated" : shortTerm(words.terms.term[term] ?? "")}</span>
      <span class="small muted">{term !== null && `${words.terms.source[term]}, `}q {probability(finding.q)}</span>
      <SmallGeneBars rows={finding.genes} genes={genes} most={GENES} />
      {group !== null && (
        <span class="finding-group small"><span>{words.groups.value[group]}</span><span class="num">AUROC {auroc(finding.auroc)}</span></span>
      )}
    </a>
  );
}
