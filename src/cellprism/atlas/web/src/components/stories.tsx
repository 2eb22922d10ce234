// Where to start: what the run itself found, one card for each, with the evidence.
import type { GeneNames, Story } from "../data/types";
import { auroc, count, fixed, number, percent, probability, shortTerm } from "../lib/format";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from } from "../lib/source";
import { SmallGeneBars } from "./gene-bars";

const kinds: Record<string, [heading: string, question: string]> = {
  both: ["Best explained", "A gene set and a cell group agree on it"],
  label: ["Surest gene set", "The smallest q of all labels"],
  group: ["Most specific", "Tells one cell group from all others"],
  surprise: ["No name yet", "Reliable, but no gene set explains it"],
  module: ["Fire together", "The surest name of a module"],
  cell: ["Reads the cell", "The cell explains more of it than anywhere else"],
  lasting: ["Lasts longest", "The same direction, layer after layer"],
  circuit: ["Best circuit", "Taken away, it changes a later feature more than any other does, in both halves of the cells"],
  highway: ["Strongest link", "Fires where a feature of a later layer fires"],
};

type Show = (value: number | null) => string;
const columns: Record<string, [name: string, show: Show]> = {
  "labels.q": ["q of the label", probability],
  "labels.n_terms": ["gene sets at q < 0.05", count],
  "celltypes.auroc": ["AUROC", auroc],
  "celltypes.q": ["q of the group", probability],
  "unlabelled.n_layers": ["layers it lasts", count],
  "unlabelled.reliability": ["reliability", fixed],
  "unlabelled.cosine": ["cosine to the nearest label", fixed],
  "features.mean_value": ["mean activation", number],
  "features.n_fired": ["positions", count],
  "modules.q": ["q of the name", probability],
  "modules.n_members_with_term": ["members with the term", count],
  "modules.n_features": ["members", count],
  "modules.stability": ["stability", fixed],
  "variance.cell": ["explained by the cell", percent],
  "variance.gene": ["by the gene", percent],
  "variance.rest": ["by the gene in its context", percent],
  "chains.n_layers": ["layers", count],
  "chains.mean_cosine": ["mean cosine", fixed],
  "edges.g": ["g of the effect", fixed],
  "edges.agreement": ["cells that agree", percent],
  "edges.n_cells": ["cells", count],
  "edges.q": ["q", probability],
  "highways.pmi": ["log₂ over chance", fixed],
  "highways.count": ["positions together", count],
  "highways.q": ["q", probability],
};

function nameOf({ term, group, feature, module, genes: own }: Story, genes: GeneNames, words: Words): string {
  if (term !== null) return shortTerm(words.terms.term[term] ?? "");
  if (group !== null) return words.groups.value[group] ?? "";
  if (own.length) return own.slice(0, 3).map(([gene]) => genes.symbol[gene]).join(", ");
  return module === null ? `Feature ${feature}` : `Module ${module}`;
}

function StoryCard({ story, genes, words }: { story: Story; genes: GeneNames; words: Words }) {
  const { id } = useRun();
  const { layer, feature, module } = story;
  const [heading, why] = kinds[story.kind] ?? [story.kind, ""];
  const question = story.evidence[0]?.[0] === "features" ? "Fires most strongly of those that no gene set explains" : why;
  const target = feature === null ? paths.layer(id, layer, { colour: "module", pick: String(module) }) : story.within ? paths.circuits(id, { feature: `${layer}.${feature}` }) : paths.feature(id, layer, feature);
  const value = (column: string) => story.evidence.find(([, name]) => name === column)?.[2];
  const partner = story.kind === "highway" ? ([value("partner_layer"), value("partner")] as const) : story.within ? ([value("target_layer"), value("target")] as const) : null;
  return (
    <article class="panel story" data-layer={story.within ? undefined : layer} data-within={story.within}>
      <p class="story-kind">{heading}</p>
      <h3><a href={`#${target}`}>{nameOf(story, genes, words)}</a></h3>
      <p class="small muted">{question}. Layer {layer}, {feature === null ? `module ${module}` : `feature ${feature}`}{partner && <>; {story.within ? "changes" : "with"} <a href={`#${paths.feature(id, partner[0]!, partner[1]!)}`}>{partner[0]}·{partner[1]}</a></>}.</p>
      {story.genes.length > 0 && <SmallGeneBars rows={story.genes} genes={genes} most={4} />}
      <dl class="evidence">
        {story.evidence.map(([table, column, number]) => {
          const known = columns[`${table}.${column}`];
          return known && <div key={column}><dt>{known[0]}</dt><dd class="num" {...from(`${table}.${column}`, table === "chains" ? { layer: undefined } : {})}>{known[1](number)}</dd></div>;
        })}
      </dl>
    </article>
  );
}

export function Stories({ stories, genes, words }: { stories: Story[]; genes: GeneNames; words: Words }) {
  return <ul class="cards stories">{stories.map((story) => <li key={story.kind}><StoryCard story={story} genes={genes} words={words} /></li>)}</ul>;
}
