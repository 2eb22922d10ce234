// Paste genes: the features of every run of this atlas that have more of them among their top genes than chance.
import { useEffect, useMemo, useState } from "preact/hooks";
import { From } from "../components/source";
import { CsvButton, PythonCell } from "../components/take";
import { UNDER, VirtualTable, type Column } from "../components/virtual-table";
import { NONE16, NONE32, type TopGenes } from "../data/columns";
import { loadGenes, loadGroups, loadSummary, loadTerms, loadTopGenes } from "../data/store";
import type { Genes, Groups, RunEntry, Summary, Terms } from "../data/types";
import { count, MISSING, number, plural, probability, shortTerm } from "../lib/format";
import { otherGenes } from "../lib/gene-names";
import { matchGenes, namesIn, rankFeatures, type Hit, type Matched } from "../lib/gene-list";
import { Load, useLoad } from "../lib/load";
import { listCode } from "../lib/python";
import { paths, useQuery } from "../lib/route";
import { absence, useRun, useTitle } from "../lib/run";
import { from } from "../lib/source";

const Q = 0.05;
/** Genes that type I interferon switches on in most human cells, to try the page with. */
const INTERFERON =
  "IFI6 IFI16 IFI27 IFI30 IFI35 IFI44 IFI44L IFIH1 IFIT1 IFIT2 IFIT3 IFIT5 IFITM1 IFITM2 IFITM3 ISG15 ISG20 IRF1 IRF7 IRF9 " +
  "STAT1 STAT2 MX1 MX2 OAS1 OAS2 OAS3 OASL BST2 DDX58 DDX60 EIF2AK2 GBP1 GBP2 GBP4 GBP5 HERC5 HERC6 LY6E PARP9 PARP14 " +
  "PLSCR1 PSMB8 PSMB9 RSAD2 SAMD9L SP110 TRIM22 UBE2L6 XAF1";

interface Data {
  summary: Summary;
  genes: Genes;
  terms: Terms;
  groups: Groups;
  tops: Map<number, TopGenes>;
}

async function loadData({ id, layers }: RunEntry): Promise<Data> {
  const [summary, genes, terms, groups, tops] = await Promise.all([loadSummary(id), loadGenes(id), loadTerms(id), loadGroups(id), loadTopGenes(id, layers)]);
  return { summary, genes, terms, groups, tops };
}

function Names({ matched, asked, summary }: { matched: Matched; asked: number; summary: Summary }) {
  const { seldom, unknown, genes, read } = matched;
  const least = summary.background.min_seen;
  return (
    <div class="stack-tight">
      <p>
        <From of="genes.n_seen">{count(genes.length)}</From> of {plural(asked, "gene")} could be a top gene here: {count(matched.background)} genes {least === null ? "are a top gene of some feature." : `were seen at ${least} positions or more.`}
        {least === null && <span class="muted"> {absence(summary, "n_seen")} So the background is smaller than it should be.</span>}
      </p>
      {read.length > 0 && <p class="small muted">Read as: <span class="gene">{read.map(([name, symbol]) => `${name} as ${symbol}`).join(", ")}</span></p>}
      {seldom.length > 0 && <p class="small muted">Seen at fewer than {least} positions: <span class="gene">{seldom.join(", ")}</span></p>}
      {unknown.length > 0 && (
        <p class="small muted" data-testid="unknown-genes">
          Not among the {count(summary.cells.n_genes)} genes {least === null ? "that are top genes" : "that the model was given in these cells"}, or spelled otherwise: <span class="gene">{unknown.join(", ")}</span>
        </p>
      )}
    </div>
  );
}

function Ranked({ entry, data, names, others }: { entry: RunEntry; data: Data; names: string[]; others: Map<string, number> }) {
  const { summary, genes, terms, groups, tops } = data;
  const { matched, hits, shared: sharedBy, family } = useMemo(() => {
    const matched = matchGenes(names, genes, summary.background.min_seen, others);
    return { matched, ...rankFeatures(tops, matched, genes.symbol.length) };
  }, [data, others]);
  const sure = hits.filter((hit) => hit.q < Q).length;
  const label = (hit: Hit) => (hit.label === NONE32 ? "" : terms.term[hit.label] ?? "");
  const group = (hit: Hit) => (hit.group === NONE16 ? "" : groups.value[hit.group] ?? "");
  const shared = (hit: Hit) => sharedBy(hit).map((gene) => genes.symbol[gene]).join(" ");
  const link = (hit: Hit) => `#${paths.feature(entry.id, hit.layer, hit.feature)}`;
  const at = (i: number) => hits[i]!;
  const source = (i: number) => from("top_genes.gene", {
    layer: at(i).layer, how: `one-sided hypergeometric test of ${matched.genes.length} listed genes, Benjamini-Hochberg over ${count(family)} features of all layers`,
    n: `${plural(at(i).n, "top gene")} of the feature`, null: `as many genes drawn from the ${count(matched.background)} that could be a top gene`,
  });
  const columns: Column[] = [
    { key: "feature", title: "Feature", width: "4.5rem", phone: "minmax(3.75rem, 1fr)", help: "layer and feature", cell: (i) => <a class="num" href={link(at(i))}>{at(i).layer}·{at(i).feature}</a> },
    { key: "label", title: "Label of the feature", width: "minmax(8rem, 1fr)", phone: UNDER, cell: (i) => (label(at(i)) ? <a class="quiet" href={link(at(i))} title={label(at(i))}>{shortTerm(label(at(i)))}</a> : <span class="muted">not annotated</span>) },
    { key: "group", title: "Cell group", width: "minmax(6rem, 0.6fr)", extra: true, help: "group with the highest AUROC at q < 0.05", cell: (i) => group(at(i)) || <span class="muted">{MISSING}</span> },
    { key: "genes", title: "Genes shared", width: "minmax(8rem, 1.2fr)", phone: UNDER, help: "in order of their rank in the feature", cell: (i) => <i title={shared(at(i))}>{shared(at(i))}</i> },
    { key: "overlap", title: "Overlap", width: "4.5rem", phone: "3.75rem", numeric: true, help: "shared genes of the feature's top genes", cell: (i) => <span {...source(i)}>{at(i).overlap} / {at(i).n}</span> },
    { key: "effect", title: "log₂ effect", width: "5rem", numeric: true, extra: true, help: "log2 of observed over expected overlap; 0 is chance", cell: (i) => <span {...source(i)}>{number(at(i).effect)}</span> },
    { key: "p", title: "p", width: "5.75rem", numeric: true, extra: true, cell: (i) => <span {...source(i)}>{probability(at(i).p)}</span> },
    { key: "q", title: "q", width: "5.75rem", phone: "5rem", numeric: true, help: "false discovery rate over all features of this run", cell: (i) => <span class={at(i).q < Q ? "strong" : "muted"} {...source(i)}>{probability(at(i).q)}</span> },
  ];
  const header = ["run", "layer", "feature", "label_source", "label", "group_key", "group", "overlap", "n_genes", "list", "background", "family", "effect", "p", "q", "genes"];
  const cells = () => hits.map((hit) => [
    entry.id, hit.layer, hit.feature, terms.source[hit.label], label(hit), groups.key[hit.group], group(hit), hit.overlap, hit.n, matched.genes.length,
    matched.background, family, hit.effect, hit.p, hit.q, shared(hit),
  ]);
  return (
    <>
      <Names matched={matched} asked={names.length} summary={summary} />
      {hits.length === 0
        ? <p class="note" role="status">{matched.genes.length ? "None of these genes is a top gene of any feature: other genes rank before them everywhere." : "None of these names is a gene of the background, so there is nothing to rank by."}</p>
        : (
          <div class="panel table-panel gene-hits" data-testid="ranked">
            <p class="table-title">
              <span><b class="num" {...source(0)}>{count(sure)}</b> of {plural(family, "feature")} at q &lt; {Q}<span class="muted">; {count(hits.length)} share a gene</span></span>
              <span class="push"><CsvButton name={["gene-list", entry.id]} what="the ranked features" header={header} rows={cells} /></span>
            </p>
            <VirtualTable label={`Features of ${entry.title}, ranked by the gene list`} columns={columns} rows={hits.map((_, i) => i)} empty="" />
            <p class="small muted table-note">
              One-sided hypergeometric test: does a feature have more of the list among its top genes than as many genes drawn from the background of {count(matched.background)}?
              q: Benjamini-Hochberg over the {count(family)} features of this run that have top genes, in all layers.
            </p>
          </div>
        )}
      {matched.genes.length > 0 && <PythonCell code={listCode(summary, matched.genes.map((gene) => genes.symbol[gene]!))} />}
    </>
  );
}

function RunRanking({ entry, names, alone }: { entry: RunEntry; names: string[]; alone: boolean }) {
  const data = useLoad(`top genes ${entry.id}`, () => loadData(entry));
  const others = useLoad(`other names ${entry.id} ${names.join(" ")}`, async () => {
    const genes = await loadGenes(entry.id);
    return otherGenes(entry.id, matchGenes(names, genes, null, new Map()).unknown);
  });
  return (
    <section class="stack" aria-label={`Ranked features of ${entry.title}`} data-run={entry.id}>
      {!alone && <h2>{entry.title}</h2>}
      <Load of={data}>{(data) => <Load of={others}>{(others) => <Ranked {...{ entry, data, names, others }} />}</Load>}</Load>
    </section>
  );
}

export default function GeneListPage() {
  const { id, atlas } = useRun();
  const [query, change] = useQuery();
  const asked = query["genes"] ?? "";
  const [text, setText] = useState(asked);
  useTitle("Gene list");
  useEffect(() => {
    if (namesIn(text).join(" ") !== asked) setText(asked);
  }, [asked]);
  const rank = (typed: string) => {
    setText(typed);
    change({ genes: namesIn(typed).join(" ") });
  };
  const names = namesIn(asked);
  const runs = [...atlas.runs].sort((a, b) => Number(b.id === id) - Number(a.id === id));
  const rows = Math.min(8, Math.max(3, Math.ceil(text.length / 140)));
  return (
    <>
      <header class="page-head">
        <h1>Gene list</h1>
        <p class="lede">Paste genes, from a paper or an experiment, and see which features have them among their top genes more often than chance. The test runs in this page; the list goes nowhere.</p>
      </header>
      <form class="panel stack-tight" onSubmit={(event) => { event.preventDefault(); rank(text); }}>
        <label for="gene-list">Gene symbols or identifiers, separated by anything</label>
        <textarea
          id="gene-list" data-testid="gene-list" rows={rows} spellcheck={false} autocomplete="off" placeholder="CD79A, MS4A1, ENSG00000012124 …"
          value={text} onInput={(event) => setText(event.currentTarget.value)}
          onPaste={(event) => { const area = event.currentTarget; if (!area.value) setTimeout(() => rank(area.value)); }}
          onKeyDown={(event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); rank(text); } }}
        />
        <p class="chips">
          <button type="submit" class="button primary">Rank the features</button>
          {text && <button type="button" class="button" onClick={() => rank("")}>Clear</button>}
          {!text && <><span class="muted">For example</span><button type="button" class="chip" onClick={() => rank(INTERFERON)}>50 genes of the interferon response</button></>}
        </p>
      </form>
      {names.length > 0 && runs.map((entry) => <RunRanking key={entry.id} entry={entry} names={names} alone={runs.length === 1} />)}
    </>
  );
}
