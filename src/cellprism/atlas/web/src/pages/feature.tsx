// One feature: what it does, how sure that is, what else is like it.
import { useEffect } from "preact/hooks";
import { Carries } from "../components/carries";
import { Causes } from "../components/causes";
import { GoesOn } from "../components/chains";
import { AnnotationTable, GroupTable, OddsTable } from "../components/evidence";
import { flags, MoreAbout } from "../components/feature-more";
import { GeneTable } from "../components/gene-bars";
import { Histogram } from "../components/histogram";
import { Icon } from "../components/icon";
import { Neighbours } from "../components/neighbours";
import { OtherRuns } from "../components/other-runs";
import { Pushed } from "../components/pushed";
import { OwnLabel, Remarks } from "../components/remarks";
import { From } from "../components/source";
import { CsvButton, PythonCell, SvgButton } from "../components/take";
import { loadFeature, loadFeatureGenes } from "../data/store";
import type { Feature, GeneNames, LayerSummary, NeighbourRow } from "../data/types";
import { count, number, percent, plural, probability, share, shortTerm } from "../lib/format";
import { Load, Nothing, useLoad } from "../lib/load";
import { nullPhrase } from "../lib/names";
import { featureCode } from "../lib/python";
import { open, paths } from "../lib/route";
import { absence, useRun, useTitle, useWords, type Words } from "../lib/run";

interface Data {
  feature: Feature;
  genes: GeneNames;
}

function Facts({ feature, layer, words }: { feature: Feature; layer: number; words: Words }) {
  const { id, summary } = useRun();
  const { cells } = summary;
  const module = feature.module;
  return (
    <dl class="tiles">
      <div><dt>Fires at</dt><dd><From of="features.frequency" n={`${count(cells.n_positions)} positions`}>{share(feature.frequency)}</From></dd><dd class="small muted">{count(feature.n_fired)} of {count(cells.n_positions)} positions</dd></div>
      <div><dt>In cells</dt><dd><From of="features.n_cells">{count(feature.n_cells)}</From></dd><dd class="small muted">{feature.n_cells === null ? "not known" : <>of {count(cells.n_cells)}</>}</dd></div>
      <div><dt>On genes</dt><dd><From of="features.n_genes">{count(feature.n_genes)}</From></dd><dd class="small muted">{feature.n_genes === null ? "not known" : <>of {count(cells.n_genes)}</>}</dd></div>
      <div><dt>Activation</dt><dd><From of="features.mean_value" n={`${count(feature.n_fired)} positions`}>{number(feature.mean_value)}</From></dd><dd class="small muted">mean where it fires{feature.max_value !== null && <>; largest {number(feature.max_value)}</>}</dd></div>
      <div>
        <dt>Module</dt>
        {module === null
          ? <><dd class="num">none</dd><dd class="small muted">fires with no community of features</dd></>
          : <><dd class="num"><a href={`#${paths.layer(id, layer, { colour: "module", pick: String(module) })}`}>{module}</a></dd><dd class="small muted">{(feature.module_term === null ? null : shortTerm(words.terms.term[feature.module_term] ?? "")) ?? (absence(summary, "module_terms") ? "not tested for terms" : "no term over-represented among its members")}</dd></>}
      </div>
    </dl>
  );
}

function Label({ feature, about, words }: { feature: Feature; about: LayerSummary; words: Words }) {
  const rate = about.rates.find((other) => other.rate === "annotated");
  const beside = rate && (
    <span class="muted"> In this layer <From of="rates.value" name="annotated" n={`${count(rate.n)} features`} null={rate.null}>{percent(rate.value)}</From> of the features are annotated ({nullPhrase(rate)}).</span>
  );
  const { label } = feature;
  if (label) {
    return (
      <p class="lede">
        {words.terms.source[label.term]} · {label.q === null ? "q not published" : <>q = <From of="labels.q" null={rate ? nullPhrase(rate) : ""}>{probability(label.q)}</From></>}{label.n_terms > 1 && <> · one of {plural(label.n_terms, "term")} below the threshold</>}.{beside}
      </p>
    );
  }
  return <p class="lede">{feature.dead ? "It fired at no position of these cells, so nothing can be said of it." : "Not annotated: no gene set is over-represented among its top genes after correction."}{beside}</p>;
}

/** A feature without a label goes by its first genes. */
function unnamed({ feature, dead, genes }: Feature, { symbol }: GeneNames): string {
  if (dead) return `Feature ${feature}, dead`;
  const first = genes.slice(0, 3).map(([gene]) => symbol[gene]);
  return [`Feature ${feature}`, first.join(", ")].filter(Boolean).join(": ");
}

function Body({ data, about, words }: { data: Data; about: LayerSummary; words: Words }) {
  const { id, summary } = useRun();
  const { feature, genes } = data;
  const { layer } = about;
  const called = ["layer", layer, "feature", feature.feature];
  const name = feature.label ? shortTerm(words.terms.term[feature.label.term] ?? "") : unnamed(feature, genes);
  useTitle(`${name}, layer ${layer}`);
  const near = [...feature.neighbours, ...feature.highways.map(([at, other, , pmi, , term]): NeighbourRow => ["highway", at, other, pmi, null, term])];
  const why = feature.dead ? "A dead feature has none." : "";
  const lacks = (table: string) => absence(summary, table, layer);
  return (
    <>
      <header class="page-head">
        <h1>{name}</h1>
        <Label feature={feature} about={about} words={words} />
        <p class="chips">
          {flags(feature).map(([name, why]) => <span key={name} class="flag"><b>{name}</b>: {why}</span>)}
          <OwnLabel layer={layer} feature={feature.feature} />
          {!feature.dead && <a class="button" href={`#${paths.layer(id, layer, { feature: String(feature.feature) })}`}><Icon name="map" /> Show on the map</a>}
        </p>
      </header>
      <Facts {...{ feature, layer, words }} />
      <div class="two">
        <section class="panel" aria-labelledby="genes">
          <div class="panel-head">
            <h2 id="genes">Top genes</h2>
            {feature.genes.length > 0 && <CsvButton name={[...called, "genes"]} what="the top genes" of={{ table: "top_genes", layer }} header={["rank", "gene", "id", "seen", "fired", "mean", "sd", "lower"]} rows={() => feature.genes.map(([gene, ...row], rank) => [rank + 1, genes.symbol[gene], genes.id[gene], ...row])} />}
          </div>
          {feature.genes.length
            ? <GeneTable rows={feature.genes} genes={genes} />
            : <p class="empty">{why || "No gene fired often enough (5 times) to be ranked."}</p>}
        </section>
        <div class="stack">
          <section class="panel" aria-labelledby="groups">
            <div class="panel-head">
              <h2 id="groups">Cell groups</h2>
              {feature.groups.length > 0 && <CsvButton name={[...called, "groups"]} what="the cell groups" of={{ table: "celltypes", layer }} header={["key", "group", "n_units", "unit", "auroc", "log_ratio", "p", "q"]} rows={() => feature.groups.map(([group, ...row]) => [words.groups.key[group], words.groups.value[group], ...row])} />}
            </div>
            {feature.groups.length ? <GroupTable rows={feature.groups} groups={words.groups} /> : <p class="empty">{why || lacks("celltypes") || "These cells have no labels to compare by, or the feature fires in too few of them."}</p>}
            {feature.odds && <OddsTable rows={feature.odds} />}
          </section>
          <section class="panel" aria-labelledby="histogram">
            <div class="panel-head">
              <h2 id="histogram">How strongly it fires</h2>
              {feature.histogram.length > 0 && feature.max_value !== null && !feature.dead && (
                <span class="chips">
                  <SvgButton name={[...called, "histogram"]} what="the histogram" caption={`How strongly feature ${feature.feature} of layer ${layer} (${name}) fires: positions by activation, log scale; ${count(feature.n_fired)} positions.`} />
                  <CsvButton name={[...called, "histogram"]} what="the histogram" of={{ table: "histograms", layer }} header={["from", "to", "positions"]} rows={() => feature.histogram.map((n, i, all) => [(i * feature.max_value!) / all.length, ((i + 1) * feature.max_value!) / all.length, n])} />
                </span>
              )}
            </div>
            {feature.histogram.length > 0 && feature.max_value !== null && !feature.dead
              ? <Histogram counts={feature.histogram} max={feature.max_value} />
              : <p class="empty">{feature.dead ? "It never fires." : lacks("histograms")}</p>}
          </section>
        </div>
      </div>
      <section class="panel" aria-labelledby="annotations">
        <div class="panel-head">
          <h2 id="annotations">Gene sets among the top genes</h2>
          {feature.annotations.length > 0 && <CsvButton name={[...called, "gene-sets"]} what="the gene sets" of={{ table: "annotations", layer }} header={["source", "term", "overlap", "n_genes", "term_size", "genes", "effect", "p", "q"]} rows={() => feature.annotations.map(([term, overlap, n, size, shared, ...row]) => [words.terms.source[term], words.terms.term[term], overlap, n, size, shared.map((gene) => genes.symbol[gene]).join(" "), ...row])} />}
        </div>
        {feature.annotations.length
          ? <AnnotationTable rows={feature.annotations} genes={genes} terms={words.terms} />
          : <p class="empty">{why || lacks("annotations") || "No gene set shares enough of its genes with the top genes to be listed."}</p>}
      </section>
      <section class="panel" aria-labelledby="neighbours">
        <div class="panel-head">
          <h2 id="neighbours">Features like it</h2>
          <span class="chips">
            {feature.highways.length > 0 && <><span class="small muted">later layers</span> <CsvButton name={[...called, "highways"]} what="the highways" of={{ table: "highways", layer }} header={["layer", "feature", "positions", "pmi", "q", "label"]} rows={() => feature.highways.map(([at, other, n, pmi, q, term]) => [at, other, n, pmi, q, words.terms.term[term ?? -1]])} /> <span class="small muted">all kinds</span></>}
            {near.length > 0 && <CsvButton name={[...called, "neighbours"]} what="the features like it" of={{ table: "neighbours", layer }} header={["kind", "layer", "feature", "similarity", "null_q95", "label"]} rows={() => near.map(([kind, at, other, similarity, nullQ95, term]) => [kind, at, other, similarity, nullQ95, words.terms.term[term ?? -1]])} />}
          </span>
        </div>
        {feature.chain && <GoesOn chain={feature.chain} layer={layer} words={words} />}
        {near.length
          ? <Neighbours rows={near} layer={layer} words={words} />
          : <p class="empty">{why || lacks("neighbours") || "No neighbour was stored for this feature."}</p>}
        {feature.genes.length > 0 && <OtherRuns symbols={feature.genes.map(([gene]) => genes.symbol[gene] ?? "")} />}
      </section>
      {!feature.dead && <Causes layer={layer} feature={feature.feature} words={words} />}
      <Carries feature={feature} layer={layer} />
      <Pushed feature={feature} layer={layer} />
      <MoreAbout feature={feature} layer={layer} />
      <Remarks feature={feature} layer={layer} />
      <PythonCell code={featureCode(summary, layer, feature.feature, feature.highways.length > 0)} />
    </>
  );
}

function Page({ about, feature }: { about: LayerSummary; feature: number }) {
  const { id } = useRun();
  const { layer } = about;
  const words = useWords();
  const data = useLoad(`feature ${id} ${layer} ${feature}`, async (): Promise<Data> => {
    const [found, genes] = await Promise.all([loadFeature(id, layer, feature), loadFeatureGenes(id, layer, feature)]);
    return { feature: found, genes };
  });
  const last = about.n_features - 1;
  useEffect(() => {
    const keyboard = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "[" && feature > 0) open(paths.feature(id, layer, feature - 1));
      if (event.key === "]" && feature < last) open(paths.feature(id, layer, feature + 1));
    };
    addEventListener("keydown", keyboard);
    return () => removeEventListener("keydown", keyboard);
  }, [id, layer, feature, last]);
  return (
    <>
      <nav class="crumbs" aria-label="Where this is">
        <a href={`#${paths.layer(id, layer, { feature: String(feature) })}`}>Layer {layer}</a>
        <span aria-current="page">Feature {feature}</span>
        <span class="pager">
          {feature > 0 && <a class="button" aria-keyshortcuts="[" href={`#${paths.feature(id, layer, feature - 1)}`}><Icon name="left" /> {feature - 1}</a>}
          {feature < last && <a class="button" aria-keyshortcuts="]" href={`#${paths.feature(id, layer, feature + 1)}`}>{feature + 1} <Icon name="right" /></a>}
        </span>
      </nav>
      <Load of={words}>{(words) => <Load of={data}>{(data) => <div class="stack" data-layer={layer}><Body data={data} about={about} words={words} /></div>}</Load>}</Load>
    </>
  );
}

export default function FeaturePage({ layer, feature }: { layer: number; feature: number }) {
  const about = useRun().summary.layers.find((other) => other.layer === layer);
  if (about && feature >= 0 && feature < about.n_features) return <Page about={about} feature={feature} />;
  return (
    <Nothing title="No such feature">
      {about ? `The features of layer ${layer} are numbered 0 to ${about.n_features - 1}.` : "This run has no such layer."}
    </Nothing>
  );
}
