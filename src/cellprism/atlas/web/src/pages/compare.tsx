// Two layers side by side, of one run or of two: matched features, what both have, what only one has.
import { useEffect, useMemo, useState } from "preact/hooks";
import { SideFacts } from "../components/side-facts";
import { CsvButton, PythonCell } from "../components/take";
import { UNDER, VirtualTable, type Column } from "../components/virtual-table";
import { NONE32, type FeatureMap, type TopGenes } from "../data/columns";
import { loadGenes, loadMap, loadSummary, loadTerms, loadTopGenes } from "../data/store";
import type { Genes, LayerSummary, RunEntry, Summary, Terms } from "../data/types";
import { count, percent, plural, probability, share, shortTerm } from "../lib/format";
import { loadFlow } from "../lib/flow";
import { Load, useLoad } from "../lib/load";
import { common, matching, nullMatches, SHUFFLES, type Common, type Matching } from "../lib/match";
import { compareCode } from "../lib/python";
import { paths, useQuery } from "../lib/route";
import { useRun, useTitle } from "../lib/run";
import { from } from "../lib/source";
import { isDead } from "../map/colouring";

export interface Half {
  entry: RunEntry;
  summary: Summary;
  about: LayerSummary;
  genes: Genes;
  terms: Terms;
  map: FeatureMap;
  top: TopGenes;
}

interface Choice {
  entry: RunEntry;
  layer: number;
}

const FEW = 12;

async function loadHalf({ entry, layer }: Choice): Promise<Half> {
  const { id } = entry;
  const [summary, genes, terms, map, tops] = await Promise.all([loadSummary(id), loadGenes(id), loadTerms(id), loadMap(id, layer), loadTopGenes(id, [layer])]);
  return { entry, summary, about: summary.layers.find((about) => about.layer === layer)!, genes, terms, map, top: tops.get(layer)! };
}

const sideOf = ({ top, genes, summary }: Half) => ({ top, genes, minSeen: summary.background.min_seen });
const labelOf = ({ top, terms }: Half, feature: number) => (top.label[feature] === NONE32 ? "" : terms.term[top.label[feature]!] ?? "");
const sourceOf = ({ top, terms }: Half, feature: number) => terms.source[top.label[feature]!] ?? "";

/** Attributes of a number that this page computes from the top genes of both sides. */
const computed = (none = "") => from("top_genes.gene", {
  how: "one-sided hypergeometric tests of all pairs of features by the top genes that they share, Benjamini-Hochberg over all pairs; matched are those that are each the other's best", null: none,
});

/** Which run and layer a side shows: as the address says, or else a sensible start. */
function chosen(text: string | undefined, runs: RunEntry[], start: Choice): Choice {
  const cut = (text ?? "").lastIndexOf(".");
  const entry = runs.find(({ id }) => id === (text ?? "").slice(0, cut));
  const layer = Number((text ?? "").slice(cut + 1));
  if (!entry) return start;
  return { entry, layer: entry.layers.includes(layer) ? layer : entry.layers[0]! };
}

function Chooser({ name, choice, runs, onChange }: { name: string; choice: Choice; runs: RunEntry[]; onChange: (text: string) => void }) {
  return (
    <fieldset class="chooser">
      <legend class="sr">{name}</legend>
      {runs.length > 1 && (
        <label class="inline">Run
          <select aria-label={`Run on the ${name}`} value={choice.entry.id} onChange={(event) => onChange(`${event.currentTarget.value}.${choice.layer}`)}>{runs.map(({ id, title }) => <option value={id}>{title}</option>)}</select>
        </label>
      )}
      <label class="inline">Layer
        <select aria-label={`Layer on the ${name}`} value={choice.layer} onChange={(event) => onChange(`${choice.entry.id}.${event.currentTarget.value}`)}>{choice.entry.layers.map((layer) => <option value={layer}>{layer}</option>)}</select>
      </label>
    </fieldset>
  );
}

/** The count of matches under the null, once it is there. */
function useNull(pairs: Common): number[] | null {
  const [found, setFound] = useState<{ of: Common; counts: number[] } | null>(null);
  useEffect(() => {
    let stopped = false;
    void nullMatches(pairs, () => stopped).then((counts) => stopped || setFound({ of: pairs, counts }));
    return () => {
      stopped = true;
    };
  }, [pairs]);
  return found?.of === pairs ? found.counts : null;
}

function Headline({ found, counts, pairs }: { found: Matching; counts: number[] | null; pairs: Common }) {
  const { matches, nA, nB } = found;
  const sorted = counts && [...counts].sort((x, y) => x - y);
  const mean = sorted && sorted.reduce((sum, n) => sum + n, 0) / sorted.length;
  const high = sorted?.[Math.ceil(0.95 * sorted.length) - 1];
  const source = computed(`genes shuffled between the features of the right side, ${SHUFFLES} times; keeps how common each gene is`);
  return (
    <dl class="tiles">
      <div><dt>Matched features</dt><dd class="num" {...source}>{count(matches.length)}</dd><dd class="small muted">{mean === null ? "null …" : `null ${mean < 10 ? mean.toFixed(1) : count(mean)}, 95 % of ${SHUFFLES} shuffles at most ${count(high)}`}</dd></div>
      <div><dt>Of the left side</dt><dd class="num" {...source}>{percent(matches.length / Math.max(1, nA))}</dd><dd class="small muted">of {plural(nA, "feature")} with top genes{mean !== null && `; null ${share(mean / Math.max(1, nA))}`}</dd></div>
      <div><dt>Of the right side</dt><dd class="num" {...source}>{percent(matches.length / Math.max(1, nB))}</dd><dd class="small muted">of {plural(nB, "feature")} with top genes{mean !== null && `; null ${share(mean / Math.max(1, nB))}`}</dd></div>
      <div><dt>Genes compared</dt><dd class="num" {...from("genes.n_seen")}>{count(pairs.background)}</dd><dd class="small muted">that could be a top gene on both sides</dd></div>
    </dl>
  );
}

function Matched({ a, b, found, pairs }: { a: Half; b: Half; found: Matching; pairs: Common }) {
  const { matches } = found;
  const at = (i: number) => matches[i]!;
  const link = (half: Half, feature: number) => `#${paths.feature(half.entry.id, half.about.layer, feature)}`;
  const number = (half: Half, feature: number) => <a class="num" href={link(half, feature)}>{half.about.layer}·{feature}</a>;
  const name = (half: Half, feature: number) => <a class="quiet" href={link(half, feature)} title={labelOf(half, feature)}>{labelOf(half, feature) ? shortTerm(labelOf(half, feature)) : <span class="muted">not annotated</span>}</a>;
  const shared = (i: number) => {
    const other = new Set(pairs.b[at(i).b]);
    return pairs.a[at(i).a]!.filter((gene) => other.has(gene)).map((gene) => pairs.symbols[gene]).join(" ");
  };
  const columns: Column[] = [
    { key: "a", title: "Left", width: "4.25rem", phone: "minmax(3.5rem, 1fr)", cell: (i) => number(a, at(i).a) },
    { key: "la", title: "Label", width: "minmax(7rem, 1fr)", phone: UNDER, cell: (i) => name(a, at(i).a) },
    { key: "b", title: "Right", width: "4.25rem", phone: "minmax(3.5rem, 1fr)", cell: (i) => number(b, at(i).b) },
    { key: "lb", title: "Label", width: "minmax(7rem, 1fr)", phone: UNDER, cell: (i) => name(b, at(i).b) },
    { key: "genes", title: "Genes shared", width: "minmax(8rem, 1.2fr)", phone: UNDER, cell: (i) => <i title={shared(i)}>{shared(i)}</i> },
    { key: "n", title: "Shared", width: "4.5rem", phone: "3.5rem", numeric: true, extra: true, help: "shared genes of the shorter list", cell: (i) => <span {...computed()}>{at(i).overlap} / {Math.min(pairs.a[at(i).a]!.length, pairs.b[at(i).b]!.length)}</span> },
    { key: "q", title: "q", width: "5.5rem", phone: "5rem", numeric: true, help: "false discovery rate over all pairs of features", cell: (i) => <span {...computed()}>{probability(at(i).q)}</span> },
  ];
  return (
    <div class="panel table-panel gene-hits" data-testid="matched" data-run={a.entry.id} data-layer={a.about.layer}>
      <p class="table-title">
        <span><b class="num" {...computed()}>{count(matches.length)}</b> matched features<span class="muted">, surest first</span></span>
        <span class="push"><CsvButton
          name={["compare"]} what="the matched features" header={["run_a", "layer_a", "feature_a", "label_a", "run_b", "layer_b", "feature_b", "label_b", "overlap", "n_genes_a", "n_genes_b", "p", "q", "genes"]}
          rows={() => matches.map(({ a: i, b: j, overlap, p, q }, k) => [a.entry.id, a.about.layer, i, labelOf(a, i), b.entry.id, b.about.layer, j, labelOf(b, j), overlap, pairs.a[i]!.length, pairs.b[j]!.length, p, q, shared(k)])}
        /></span>
      </p>
      <VirtualTable label="Matched features" columns={columns} rows={matches.map((_, i) => i)} empty="" />
    </div>
  );
}

/** Features of a side that have a label but no match, surest label first. */
function Alone({ half, taken, name }: { half: Half; taken: Set<number>; name: string }) {
  const { map, entry, about } = half;
  const rows = useMemo(() => Array.from({ length: map.n }, (_, i) => i)
    .filter((i) => map.label[i] !== NONE32 && !isDead(map, i) && !taken.has(map.feature[i]!))
    .sort((i, j) => (map.label_q[i]! || 1) - (map.label_q[j]! || 1) || map.feature[i]! - map.feature[j]!), [half, taken]);
  const live = Array.from({ length: map.n }, (_, i) => i).filter((i) => !isDead(map, i));
  const part = (own: number[]) => (own.length ? percent(own.filter((i) => map.label[i] !== NONE32).length / own.length) : "—");
  const matched = live.filter((i) => taken.has(map.feature[i]!));
  const others = live.filter((i) => !taken.has(map.feature[i]!));
  return (
    <div class="panel">
      <h3>Only on the {name}</h3>
      <p class="small muted">annotated: {part(matched)} of {plural(matched.length, "matched feature")}, {part(others)} of {plural(others.length, "other")}</p>
      {rows.length === 0 && <p class="empty">Every annotated feature has a match.</p>}
      <ul class="alone">
        {rows.slice(0, FEW).map((i) => (
          <li><a href={`#${paths.feature(entry.id, about.layer, map.feature[i]!)}`}><span class="num">{about.layer}·{map.feature[i]}</span> {shortTerm(labelOf(half, map.feature[i]!))}</a> <span class="num small muted" {...from("labels.q", { run: entry.id, layer: about.layer })}>q {probability(map.label_q[i])}</span></li>
        ))}
      </ul>
      {rows.length > FEW && <p class="small muted">and {count(rows.length - FEW)} more annotated features without a match</p>}
    </div>
  );
}

/** Labels that both sides have, and those of one. */
function Labels({ a, b }: { a: Half; b: Half }) {
  const labels = (half: Half) => {
    const found = new Map<string, number>();
    for (let feature = 0; feature < half.top.n; feature++) {
      const label = labelOf(half, feature);
      if (label) found.set(`${sourceOf(half, feature)}: ${label}`, (found.get(`${sourceOf(half, feature)}: ${label}`) ?? 0) + 1);
    }
    return found;
  };
  const [left, right] = useMemo(() => [labels(a), labels(b)], [a, b]);
  const both = [...left.keys()].filter((label) => right.has(label));
  const lists: [string, string[], (label: string) => number][] = [
    ["On both sides", both, (label) => Math.min(left.get(label)!, right.get(label)!)],
    ["Only on the left", [...left.keys()].filter((label) => !right.has(label)), (label) => left.get(label)!],
    ["Only on the right", [...right.keys()].filter((label) => !left.has(label)), (label) => right.get(label)!],
  ];
  return (
    <section aria-labelledby="labels">
      <div class="section-head"><h2 id="labels">Labels</h2><p class="muted">the gene sets that name the features, whether or not the features match; number: features, on both sides the smaller</p></div>
      <div class="three">
        {lists.map(([title, names, n]) => (
          <div class="panel">
            <h3>{title} <span class="muted num" {...from("labels.term", { layer: a.about.layer })}>{count(names.length)}</span></h3>
            {names.length === 0 && <p class="empty">None. Runs that were annotated with different libraries have no label in common.</p>}
            <ul class="alone">{names.sort((x, y) => n(y) - n(x) || (x < y ? -1 : 1)).slice(0, FEW).map((label) => <li><span title={label}>{shortTerm(label)}</span> <span class="num small muted" {...from("labels.term", { layer: a.about.layer })}>{count(n(label))}</span></li>)}</ul>
            {names.length > FEW && <p class="small muted">and {count(names.length - FEW)} more</p>}
          </div>
        ))}
      </div>
    </section>
  );
}

function Body({ a, b }: { a: Half; b: Half }) {
  const pairs = useMemo(() => common(sideOf(a), sideOf(b)), [a, b]);
  const found = useMemo(() => matching(pairs), [pairs]);
  const counts = useNull(pairs);
  const [takenA, takenB] = useMemo(() => [new Set(found.matches.map((match) => match.a)), new Set(found.matches.map((match) => match.b))], [found]);
  const same = a.entry.id === b.entry.id;
  const flow = useLoad(`compare flow ${a.entry.id} ${same}`, async () => (same ? loadFlow(a.entry.id) : null)).value;
  const order = a.summary.layers.map(({ layer }) => layer);
  const [first, last] = [order.indexOf(Math.min(a.about.layer, b.about.layer)), order.indexOf(Math.max(a.about.layer, b.about.layer))];
  const reach = same && first !== last ? flow?.lasting?.reach[first]?.[last] : undefined;
  const itself = same && a.about.layer === b.about.layer;
  return (
    <>
      <div class="halves"><SideFacts half={a} name="left" /><SideFacts half={b} name="right" /></div>
      {itself && <p class="note">Both sides show the same layer of the same run: every feature matches itself or its double. Choose another layer or run on one side.</p>}
      <section aria-labelledby="matches">
        <h2 id="matches">What both have</h2>
        <Headline found={found} counts={counts} pairs={pairs} />
        <p class="small muted table-note">
          Two features match if each is the other's best by the chance of sharing so many top genes (one-sided hypergeometric test among the genes that could be a top gene on both sides), at q &lt; 0.05 over all {count(found.nA)} × {count(found.nB)} pairs.
          Null: genes shuffled between the features of the right side; keeps how common each gene is. Genes are matched by symbol.
          {reach !== undefined && ` By their atoms, ${plural(reach, "feature")} ${reach === 1 ? "is" : "are"} matched step by step between these layers.`}
        </p>
        {found.matches.length
          ? <Matched {...{ a, b, found, pairs }} />
          : <p class="note">No feature of one side shares more top genes with a feature of the other than chance allows. {pairs.background < 1000 && `Only ${count(pairs.background)} genes could be a top gene on both sides, which leaves little to match by.`}</p>}
      </section>
      <section aria-labelledby="alone">
        <h2 id="alone">What only one has</h2>
        <div class="halves"><Alone half={a} taken={takenA} name="left" /><Alone half={b} taken={takenB} name="right" /></div>
      </section>
      <Labels a={a} b={b} />
      <PythonCell code={compareCode([a.summary, a.about.layer], [b.summary, b.about.layer])} />
    </>
  );
}

export default function ComparePage() {
  const { id, atlas } = useRun();
  const [query, change] = useQuery();
  useTitle("Compare");
  const own = atlas.runs.find((run) => run.id === id)!;
  const other = atlas.runs.find((run) => run.id !== id);
  const middle = (entry: RunEntry) => entry.layers[entry.layers.length >> 1] ?? 0;
  const a = chosen(query["a"], atlas.runs, { entry: own, layer: middle(own) });
  const b = chosen(query["b"], atlas.runs, other ? { entry: other, layer: middle(other) } : { entry: own, layer: own.layers[(own.layers.length >> 1) - 1] ?? own.layers[0]! });
  const halves = useLoad(`compare ${a.entry.id} ${a.layer} ${b.entry.id} ${b.layer}`, async () => Promise.all([loadHalf(a), loadHalf(b)]));
  return (
    <>
      <header class="page-head">
        <h1>Compare</h1>
        <p class="lede">Two layers side by side, of one run or of two: the features that both have, and those that only one has.</p>
      </header>
      <div class="halves choosers">
        <Chooser name="left" choice={a} runs={atlas.runs} onChange={(text) => change({ a: text })} />
        <Chooser name="right" choice={b} runs={atlas.runs} onChange={(text) => change({ b: text })} />
      </div>
      <Load of={halves}>{([left, right]) => <Body a={left} b={right} />}</Load>
    </>
  );
}
