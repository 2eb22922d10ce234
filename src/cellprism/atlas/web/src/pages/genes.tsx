// Which features a gene is a top gene of.
import { useState } from "preact/hooks";
import { Combobox } from "../components/combobox";
import { DotPlot } from "../components/dot-plot";
import { From } from "../components/source";
import { CsvButton, PythonCell, SvgButton } from "../components/take";
import { UNDER, VirtualTable, type Column } from "../components/virtual-table";
import { loadGene, loadGenes, loadSymbols } from "../data/store";
import type { Symbols } from "../data/types";
import { Later } from "../lib/after";
import { count, number, plural, shortTerm } from "../lib/format";
import { otherNames } from "../lib/gene-names";
import { findGene, searchGenes } from "../lib/gene-search";
import { Load, useLoad } from "../lib/load";
import { geneCode } from "../lib/python";
import { paths, useQuery } from "../lib/route";
import { from } from "../lib/source";
import { absence, useRun, useTitle, useWords } from "../lib/run";

const SUGGESTIONS = 10;

function GeneResult({ gene, genes }: { gene: number; genes: Symbols }) {
  const { id, summary } = useRun();
  const symbol = genes.symbol[gene]!;
  useTitle(symbol);
  const words = useWords();
  const layers = summary.layers.map((layer) => layer.layer);
  const record = useLoad(`gene ${id} ${gene}`, () => loadGene(id, gene));
  const touched = [...new Set(record.value?.hits.map((hit) => hit[0]))];
  return (
    <section class="stack" aria-labelledby="gene">
      <div class="section-head">
        <h2 id="gene"><span class="gene">{symbol}</span></h2>
        {record.value && <p class="muted">{record.value.id !== symbol && `${record.value.id} · `}{record.value.n_seen === null ? absence(summary, "n_seen") : <>seen at <From of="genes.n_seen">{plural(record.value.n_seen, "position")}</From> of {plural(summary.cells.n_cells ?? 0, "cell")}</>}</p>}
      </div>
      <Load of={record}>
        {({ hits, n_seen: seen }) => {
          if (!hits.length) {
            return (
              <p class="note">
                {!seen
                  ? `${symbol} is in the model's vocabulary, but none of these cells shows it, so no feature can be said to read it.`
                  : `${symbol} was seen at ${plural(seen, "position")}, but it is a top gene of no feature: other genes rank before it everywhere.`}
              </p>
            );
          }
          const term = (i: number) => hits[i]![6];
          const columns: Column[] = [
            { key: "layer", title: "Layer", width: "4.5rem", phone: "2.75rem", cell: (i) => hits[i]![0] },
            { key: "feature", title: "Feature", width: "5rem", phone: "minmax(3rem, 1fr)", cell: (i) => <a class="num" href={`#${paths.feature(id, hits[i]![0], hits[i]![1])}`}>{hits[i]![1]}</a> },
            {
              key: "label", title: "Label of the feature", width: "minmax(9rem, 1fr)", phone: UNDER,
              cell: (i) => {
                if (term(i) === null) return <span class="muted">not annotated</span>;
                const label = words.value?.terms.term[term(i)!] ?? "";
                return <span title={label}>{shortTerm(label)}</span>;
              },
            },
            { key: "rank", title: "Rank", width: "4rem", phone: "2.75rem", numeric: true, help: "of the gene among the feature's top genes", cell: (i) => <span {...from("top_genes.rank", { layer: hits[i]![0] })}>{hits[i]![2] + 1}</span> },
            { key: "lower", title: "Lower bound", width: "7rem", phone: "6rem", numeric: true, help: "95 % lower bound of the mean activation", cell: (i) => <span {...from("top_genes.lower", { layer: hits[i]![0], n: plural(hits[i]![5] ?? 0, "position") })}>{number(hits[i]![3])}</span> },
            { key: "fired", title: "Fired / seen", width: "8rem", numeric: true, extra: true, help: "positions", cell: (i) => <span {...from("top_genes.fired", { layer: hits[i]![0] })}>{count(hits[i]![4])} / {count(hits[i]![5])}</span> },
          ];
          const told = columns.filter(({ key }) => !(key === "lower" && hits.every((hit) => hit[3] === null)) && !(key === "fired" && hits.every((hit) => hit[4] === null)));
          return (
            <>
              <p>A top gene of <From of="top_genes.">{plural(hits.length, "feature")}</From> in {plural(touched.length, "layer")}.</p>
              <figure class="panel">
                <figcaption>
                  <h3>Rank in each layer</h3><p class="small muted">a dot is a feature; larger dots have a higher lower bound of the mean activation</p>
                  <SvgButton name={["gene", symbol]} what="the chart of ranks" caption={`Rank of ${symbol} among the top genes of ${plural(hits.length, "feature")}, by layer. A dot is a feature; larger dots have a higher 95 % lower bound of the mean activation.`} />
                </figcaption>
                <DotPlot hits={hits} layers={layers} />
              </figure>
              <Later>{() => (
                <>
                  <div class="panel table-panel gene-hits">
                    <p class="table-title">
                      <span class="strong">Features</span>
                      <span class="push"><CsvButton name={["gene", symbol]} what="these features" of={{ table: "top_genes", layer: hits[0]![0] }} header={["layer", "feature", "rank", "lower", "fired", "seen", "label_source", "label"]} rows={() => hits.map(([layer, feature, rank, lower, fired, seen, term]) => [layer, feature, rank + 1, lower, fired, seen, term === null ? "" : words.value?.terms.source[term], term === null ? "" : words.value?.terms.term[term]])} /></span>
                    </p>
                    <VirtualTable label={`Features with ${symbol} as a top gene`} columns={told} rows={hits.map((_, i) => i)} empty="" />
                  </div>
                  <PythonCell code={geneCode(summary, gene, symbol)} />
                </>
              )}</Later>
            </>
          );
        }}
      </Load>
    </section>
  );
}

/** The genes of the stories and findings, feature by feature. */
function Told({ told, genes }: { told: { layer: number; feature: number | null; genes: [gene: number, mean: number][] }[]; genes: Symbols }) {
  const { id } = useRun();
  const rows = told.filter(({ layer, feature }, i) => told.findIndex((other) => other.layer === layer && other.feature === feature) === i);
  return (
    <section class="panel" aria-labelledby="told">
      <div class="section-head"><h2 id="told">Genes of the overview's features</h2><p class="muted">top genes of the features that the overview begins with</p></div>
      <dl class="lines">
        {rows.slice(0, 12).map(({ layer, feature, genes: own }) => (
          <div key={`${layer} ${feature}`}>
            <dt>{feature === null ? `layer ${layer}` : <a class="num" href={`#${paths.feature(id, layer, feature)}`}>{layer}·{feature}</a>}</dt>
            <dd class="chips">{own.slice(0, 8).map(([gene]) => <a class="chip gene" href={`#${paths.genes(id, genes.symbol[gene])}`}>{genes.symbol[gene]}</a>)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Search({ symbols }: { symbols: Symbols }) {
  const { id, summary } = useRun();
  const [query, change] = useQuery();
  const text = query["gene"] ?? "";
  // Identifiers are asked for when somebody types, or looks for what is no symbol.
  const [typing, type] = useState(false);
  const more = typing || (text !== "" && findGene(symbols, text) === null);
  const all = useLoad(`genes ${id} ${more}`, async () => (more ? loadGenes(id) : null));
  const genes: Symbols = all.value ?? symbols;
  const gene = text ? findGene(genes, text) : null;
  const unknown = text && gene === null && all.value ? text : "";
  const near = unknown ? searchGenes(genes, text, 6) : [];
  const choose = (symbol: string) => change({ gene: symbol });
  const named = useLoad(`names ${id} ${unknown}`, async () => (unknown ? otherNames(id, unknown) : []));
  const others = named.value ?? [];
  const here = others.flatMap(([other]) => (other === null ? [] : [other]));
  const only = here.length === 1 ? here[0]! : null;
  const meaning = others.map(([, symbol, kind], i) => <>{i > 0 && " or "}<span class="gene">{symbol}</span> ({kind})</>);
  const suggest = (typed: string) => searchGenes(genes, typed, SUGGESTIONS).map((i) => ({
    key: genes.symbol[i]!,
    show: <><span class="gene">{genes.symbol[i]}</span> {genes.id && genes.id[i] !== genes.symbol[i] && <span class="small muted">{genes.id[i]}</span>}</>,
  }));
  const told = [...summary.stories, ...summary.findings].filter((found) => found.genes.length > 0);
  const examples = told.flatMap((found) => found.genes.slice(0, 1).map(([g]) => g)).filter((g, i, all) => all.indexOf(g) === i).slice(0, 6);
  return (
    <>
      <div onInput={() => type(true)}>
        <Combobox label="Gene: symbol, identifier or another name" placeholder={`Search ${count(genes.symbol.length)} genes`} value={text} suggest={suggest} onChoose={choose} onSubmit={choose} testid="gene-search" />
      </div>
      {!text && examples.length > 0 && (
        <p class="chips"><span class="muted">For example</span>{examples.map((g) => <button type="button" class="chip gene" onClick={() => choose(genes.symbol[g]!)}>{genes.symbol[g]}</button>)}</p>
      )}
      {!text && told.length > 0 && <Told told={told} genes={genes} />}
      {only !== null && <p role="status"><span class="gene">{text}</span> means <span class="gene">{genes.symbol[only]}</span>: {others.find(([other]) => other === only)![2]}.</p>}
      {only !== null && <GeneResult key={only} gene={only} genes={genes} />}
      {here.length > 1 && (
        <div class="note" role="status">
          <p><span class="gene">{text}</span> is a name of several genes of these cells.</p>
          <p class="chips">{here.map((other) => <button type="button" class="chip gene" onClick={() => choose(genes.symbol[other]!)}>{genes.symbol[other]}</button>)}</p>
        </div>
      )}
      {text && gene === null && <Load of={all}>{() => <Load of={named}>{() => null}</Load>}</Load>}
      {unknown && named.value && here.length === 0 && (
        <div class="note" role="status">
          {others.length > 0 && <p><span class="gene">{text}</span> is {others.some(([, symbol]) => symbol.toUpperCase() === text.toUpperCase()) ? "the symbol of a gene" : <>a name of {meaning}</>}.</p>}
          {summary.background.min_seen === null ? <p><span class="gene">{text}</span> is a top gene of no feature, or is spelled otherwise; {absence(summary, "n_seen")?.toLowerCase()}</p> : <p>
            <span class="gene">{text}</span> is not among the {count(genes.symbol.length)} genes that the model was given in these cells, so no feature can be a feature of it.
            Either no cell shows it strongly enough to be read, or the model does not know it; symbols, identifiers{summary.files.name ? " and other names" : ""} are searched.
          </p>}
          {near.length > 0 && <p class="chips"><span class="muted">Similar names</span>{near.map((g) => <button type="button" class="chip gene" onClick={() => choose(genes.symbol[g]!)}>{genes.symbol[g]}</button>)}</p>}
        </div>
      )}
      {gene !== null && <GeneResult key={gene} gene={gene} genes={genes} />}
    </>
  );
}

export default function GenesPage() {
  const { id } = useRun();
  useTitle("Genes");
  const symbols = useLoad(`symbols ${id}`, () => loadSymbols(id));
  return (
    <>
      <header class="page-head"><h1>Genes</h1><p class="lede">Every gene of the model, and the features of which it is a top gene.</p></header>
      <Load of={symbols}>{(symbols) => <Search symbols={symbols} />}</Load>
    </>
  );
}
