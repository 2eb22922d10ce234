// Which features carry a gene set.
import { Combobox } from "../components/combobox";
import { CountBars } from "../components/count-bars";
import { From } from "../components/source";
import { CsvButton, PythonCell, SvgButton } from "../components/take";
import { UNDER, VirtualTable, type Column } from "../components/virtual-table";
import { loadGenes, loadTerm } from "../data/store";
import type { Genes, TermRecord, Terms } from "../data/types";
import { count, MISSING, number, plural, probability, shortTerm } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { termCode } from "../lib/python";
import { paths, useQuery } from "../lib/route";
import { absence, useRun, useTitle, useWords } from "../lib/run";
import { findTerm, searchTerms, termKey } from "../lib/search-terms";
import { from } from "../lib/source";

const SUGGESTIONS = 12;
const Q = 0.05;

function Found({ term, terms, genes, record }: { term: number; terms: Terms; genes: Genes; record: TermRecord }) {
  const { id, summary } = useRun();
  const name = shortTerm(terms.term[term] ?? "");
  const carried = record.layers.reduce((sum, [, n]) => sum + n, 0);
  const counts = summary.layers.map(({ layer }): [number, number] => [layer, record.layers.find((other) => other[0] === layer)?.[1] ?? 0]);
  const { rows } = record;
  const at = (i: number) => rows[i]!;
  const size = rows.find((row) => row[4] !== null)?.[4] ?? null;
  const untested = summary.absent.find((other) => other.table === "annotations" && other.layers);
  const shared = (i: number) => at(i)[5].map((gene) => genes.symbol[gene]).join(" ");
  const columns: Column[] = [
    { key: "layer", title: "Layer", width: "3.5rem", phone: "2.75rem", cell: (i) => at(i)[0] },
    { key: "feature", title: "Feature", width: "4.5rem", phone: "minmax(3rem, 1fr)", cell: (i) => <a class="num" href={`#${paths.feature(id, at(i)[0], at(i)[1])}`}>{at(i)[1]}</a> },
    { key: "genes", title: "Genes shared", width: "minmax(9rem, 1fr)", phone: UNDER, cell: (i) => (at(i)[5].length ? <i title={shared(i)}>{shared(i)}</i> : <span class="muted">not published</span>) },
    { key: "overlap", title: "Overlap", width: "5rem", phone: "3.5rem", numeric: true, help: "shared genes of the feature's top genes", cell: (i) => (at(i)[2] === null ? MISSING : <span {...from("annotations.overlap", { layer: at(i)[0] })}>{at(i)[2]} / {count(at(i)[3])}</span>) },
    { key: "effect", title: "log₂ effect", width: "5rem", numeric: true, help: "log2 of observed over expected overlap; 0 is chance", cell: (i) => <span {...from("annotations.effect", { layer: at(i)[0] })}>{number(at(i)[6])}</span> },
    { key: "p", title: "p", width: "5.75rem", numeric: true, extra: true, cell: (i) => <span {...from("annotations.p", { layer: at(i)[0] })}>{probability(at(i)[7])}</span> },
    { key: "q", title: "q", width: "5.75rem", phone: "5rem", numeric: true, help: "false discovery rate over every feature and gene set of the layer", cell: (i) => <span class={(at(i)[8] ?? 1) < Q ? "strong" : "muted"} {...from("annotations.q", { layer: at(i)[0] })}>{probability(at(i)[8])}</span> },
  ];
  return (
    <section class="stack" aria-labelledby="term">
      <div class="section-head">
        <h2 id="term">{name}</h2>
        <p class="muted">{terms.source[term]}{size !== null && <> · {plural(size, "gene")} that these cells could show</>}</p>
      </div>
      <p>
        {carried ? <><From of="annotations.q">{plural(carried, "feature")}</From> {carried === 1 ? "carries" : "carry"} it at q &lt; {Q}</> : <>No feature carries it at q &lt; {Q}: {record.n ? <>{plural(record.n, "feature")} share genes with it, but no more than chance allows after correction.</> : "no feature has two of its genes among its top genes."}</>}
        {carried > 0 && <span class="muted">; {plural(record.n, "test")} of features that share genes with it.</span>}
        {untested && <span class="muted"> Of layers {untested.layers!.join(", ")} only labels are known: {untested.reason}.</span>}
      </p>
      {carried > 0 && (
        <figure class="panel">
          <figcaption>
            <h3>Features that carry it, by layer</h3><p class="small muted">q &lt; {Q}</p>
            <SvgButton name={["ontology", term]} what="the chart of layers" caption={`Features of each layer that carry ${name} (${terms.source[term]}) at q < ${Q}.`} />
          </figcaption>
          <CountBars counts={counts} label={`Features that carry ${name}`} />
        </figure>
      )}
      {rows.length > 0 && (
        <div class="panel table-panel gene-hits" data-testid="term-features">
          <p class="table-title">
            <span class="strong">Features</span> <span class="muted">smallest q first{record.n > rows.length && `; ${count(rows.length)} of ${count(record.n)}, the Parquet tables have all`}</span>
            <span class="push"><CsvButton name={["ontology", term]} what="these features" of={{ table: "annotations", layer: rows[0]![0] }} header={["layer", "feature", "overlap", "n_genes", "term_size", "genes", "effect", "p", "q"]} rows={() => rows.map(([layer, feature, overlap, n, k, own, ...rest]) => [layer, feature, overlap, n, k, own.map((gene) => genes.symbol[gene]).join(" "), ...rest])} /></span>
          </p>
          <VirtualTable label={`Features with ${name}`} columns={columns} rows={rows.map((_, i) => i)} empty="" />
        </div>
      )}
      <PythonCell code={termCode(summary, terms.source[term] ?? "", terms.term[term] ?? "")} />
    </section>
  );
}

function Term({ term, terms }: { term: number; terms: Terms }) {
  const { id } = useRun();
  useTitle(shortTerm(terms.term[term] ?? ""));
  const data = useLoad(`term ${id} ${term}`, async () => {
    const [record, genes] = await Promise.all([loadTerm(id, term), loadGenes(id)]);
    return { record, genes };
  });
  return <Load of={data}>{({ record, genes }) => <Found term={term} terms={terms} genes={genes} record={record} />}</Load>;
}

function Unknown({ text, terms, choose }: { text: string; terms: Terms; choose: (term: number) => void }) {
  const { summary } = useRun();
  const near = searchTerms(terms, text, 8);
  const libraries = [...new Set(terms.source)];
  const words = text.split(/\s+/).filter((word) => word.length > 3);
  const byWord = near.length ? [] : words.flatMap((word) => searchTerms(terms, word, 3)).filter((t, i, all) => all.indexOf(t) === i).slice(0, 6);
  const offered = near.length ? near : byWord;
  return (
    <div class="note" role="status">
      {near.length > 0
        ? <p>{plural(searchTerms(terms, text, Infinity).length, "gene set")} {near.length === 1 ? "has" : "have"} “{text}” in the name.</p>
        : <p>
            No gene set with “{text}” in its name shares enough genes with the top genes of any feature.
            {" "}{absence(summary, "annotations") ?? `This run was tested against ${libraries.join(", ")}: ${count(terms.term.length)} of their gene sets share genes with a feature. It may be called otherwise there, or have fewer than the least number of genes among those that the model was given.`}
          </p>}
      {offered.length > 0 && <p class="chips">{offered.map((t) => <button type="button" class="chip" onClick={() => choose(t)}><span class="name">{shortTerm(terms.term[t]!)}</span> <span class="muted">{terms.source[t]}</span></button>)}</p>}
    </div>
  );
}

/** The labels with the smallest q, layer by layer. */
function Surest({ terms }: { terms: Terms }) {
  const { id, summary } = useRun();
  const layers = summary.layers.filter(({ names }) => names?.length);
  const unknown = summary.absent.find(({ table, layers }) => table === "annotations" && layers);
  if (!layers.length) return null;
  return (
    <section class="panel" aria-labelledby="surest">
      <div class="section-head"><h2 id="surest">Surest in each layer</h2><p class="muted">the gene sets that name a feature with the smallest q{unknown?.layers && `; in layers ${unknown.layers.join(", ")}, where no q is known, those of the features with most terms`}</p></div>
      <dl class="lines">
        {layers.map(({ layer, names }) => (
          <div key={layer}>
            <dt><a href={`#${paths.layer(id, layer)}`}>Layer {layer}</a></dt>
            <dd class="chips">{names!.slice(0, 6).map(([term]) => <a class="chip" href={`#${paths.terms(id, termKey(terms, term))}`}><span class="name">{shortTerm(terms.term[term]!)}</span></a>)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Search({ terms }: { terms: Terms }) {
  const { summary } = useRun();
  const [query, change] = useQuery();
  const text = query["term"] ?? "";
  const term = text ? findTerm(terms, text) : null;
  const choose = (i: number) => change({ term: termKey(terms, i) });
  const suggest = (typed: string) => searchTerms(terms, typed, SUGGESTIONS).map((i) => ({
    key: termKey(terms, i), show: <>{shortTerm(terms.term[i]!)} <span class="small muted">{terms.source[i]}</span></>,
  }));
  const examples = [...summary.stories, ...summary.findings].flatMap((found) => (found.term === null ? [] : [found.term])).filter((t, i, all) => all.indexOf(t) === i).slice(0, 6);
  return (
    <>
      <Combobox label="Gene set" placeholder={`Search ${count(terms.term.length)} gene sets`} value={term === null ? text : shortTerm(terms.term[term]!)} suggest={suggest} onChoose={(key) => change({ term: key })} onSubmit={(typed) => change({ term: typed })} testid="term-search" />
      {!text && examples.length > 0 && (
        <p class="chips"><span class="muted">For example</span>{examples.map((t) => <button type="button" class="chip" onClick={() => choose(t)}><span class="name">{shortTerm(terms.term[t]!)}</span></button>)}</p>
      )}
      {!text && <Surest terms={terms} />}
      {text && term === null && <Unknown text={text} terms={terms} choose={choose} />}
      {term !== null && <Term key={term} term={term} terms={terms} />}
    </>
  );
}

export default function OntologyPage() {
  useTitle("Ontology");
  const words = useWords();
  return (
    <>
      <header class="page-head"><h1>Ontology</h1><p class="lede">Every gene set that shares genes with a feature, and the features that carry it, layer by layer.</p></header>
      <Load of={words}>{({ terms }) => <Search terms={terms} />}</Load>
    </>
  );
}
