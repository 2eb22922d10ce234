// Pairs of features of two layers that fire at the same positions, by module and one by one.
import { useMemo } from "preact/hooks";
import { loadModules } from "../data/store";
import type { Module } from "../data/types";
import { count, number, percent, plural, probability, share, shortTerm } from "../lib/format";
import { loadHighways, loadPair, NOWHERE, OTHERS, type Flow, type FlowPair, type Highway, type PairFile } from "../lib/flow";
import { Load, useLoad } from "../lib/load";
import { nullPhrase } from "../lib/names";
import { categories, noneColour, otherColour } from "../lib/palette";
import { flowCode, highwayCode } from "../lib/python";
import { paths, useQuery } from "../lib/route";
import { absence, useRun, type Words } from "../lib/run";
import { from as source } from "../lib/source";
import { useTheme, type Theme } from "../lib/theme";
import { moduleName } from "../map/colouring";
import { Sankey, type Block } from "./sankey";
import { From } from "./source";
import { CsvButton, PythonCell, SvgButton } from "./take";
import { UNDER, VirtualTable, type Column } from "./virtual-table";

interface Data {
  file: PairFile;
  before: Module[];
  after: Module[];
}

const blockName = (key: number, modules: Module[], words: Words) =>
  key === OTHERS ? "smaller modules" : key === NOWHERE ? "in no module" : moduleName(key, modules, words);

function blocks(keys: number[], modules: Module[], words: Words, theme: Theme): Block[] {
  const hues = categories(theme);
  const largest = [...modules].sort((a, b) => b.n_features - a.n_features).map(({ module }) => module);
  return [...new Set(keys)].map((key) => ({
    key, name: blockName(key, modules, words),
    colour: key === NOWHERE ? noneColour(theme) : hues[largest.indexOf(key)] ?? otherColour(theme),
  }));
}

function Rows({ pair, rows, words, title }: { pair: FlowPair; rows: Highway[]; words: Words; title: preact.ComponentChildren }) {
  const { id } = useRun();
  const { from, to } = pair;
  const name = (term: number | null) => (term === null ? "" : words.terms.term[term] ?? "");
  const cell = (layer: number, feature: number, term: number | null) => <a class="quiet" href={`#${paths.feature(id, layer, feature)}`} title={name(term)}>{name(term) ? shortTerm(name(term)) : <span class="muted">not annotated</span>}</a>;
  const link = (layer: number, feature: number) => <a class="num" href={`#${paths.feature(id, layer, feature)}`}>{layer}·{feature}</a>;
  const at = (i: number) => rows[i]!;
  const columns: Column[] = [
    { key: "feature", title: "Feature", width: "4.25rem", phone: "minmax(3.5rem, 1fr)", cell: (i) => link(from, at(i)[0]) },
    { key: "label", title: "Label", width: "minmax(6rem, 1fr)", phone: UNDER, cell: (i) => cell(from, at(i)[0], at(i)[5]) },
    { key: "partner", title: "Partner", width: "4.25rem", phone: "4rem", cell: (i) => link(to, at(i)[1]) },
    { key: "plabel", title: "Its label", width: "minmax(6rem, 1fr)", phone: UNDER, cell: (i) => cell(to, at(i)[1], at(i)[6]) },
    { key: "count", title: "Positions", width: "5rem", numeric: true, extra: true, help: "positions at which both fire", cell: (i) => <span {...source("highways.count", { layer: from })}>{count(at(i)[2])}</span> },
    { key: "pmi", title: "PMI", width: "3.5rem", phone: "3rem", numeric: true, help: "pointwise mutual information: log2 of observed over expected positions", cell: (i) => <span {...source("highways.pmi", { layer: from })}>{number(at(i)[3])}</span> },
    { key: "q", title: "q", width: "5.5rem", phone: "5rem", numeric: true, extra: true, help: "false discovery rate over all pairs of live features of the two layers", cell: (i) => <span {...source("highways.q", { layer: from, null: "firing independently at each position" })}>{probability(at(i)[4])}</span> },
  ];
  return (
    <div class="panel table-panel flow-rows" data-testid="highways">
      <p class="table-title">
        <span>{title}</span>
        <span class="push"><CsvButton
          name={["highways", from, to]} what="these pairs" of={{ table: "highways", layer: from }} header={["layer", "feature", "label", "partner_layer", "partner", "partner_label", "n_positions", "pmi", "q"]}
          rows={() => rows.map(([feature, partner, n, pmi, q, term, other]) => [from, feature, name(term), to, partner, name(other), n, pmi, q])}
        /></span>
      </p>
      <VirtualTable label="Pairs of features" columns={columns} rows={rows.map((_, i) => i)} empty="No pair." />
    </div>
  );
}

/** The pairs within the ribbon that is chosen, or the strongest of all. */
function Chosen({ pair, data, words, chosen }: { pair: FlowPair; data: Data; words: Words; chosen: string }) {
  const { id } = useRun();
  const [, change] = useQuery();
  const { links, strongest } = data.file;
  const i = links.findIndex(([a, b]) => `${a}.${b}` === chosen);
  const link = links[i];
  const start = links.slice(0, Math.max(0, i)).reduce((sum, [, , n]) => sum + n, 0);
  const rows = useLoad(`highways ${id} ${pair.from} ${pair.to} ${link ? chosen : ""}`, () => (link ? loadHighways(id, pair, start, link[2]) : Promise.resolve(strongest)));
  const title = link
    ? <><From of="highways." layer={pair.from}>{plural(link[2], "pair")}</From> from {blockName(link[0], data.before, words)} to {blockName(link[1], data.after, words)} <button type="button" class="plain" onClick={() => change({ link: "" })}>Show the strongest of all</button></>
    : <>The {count(strongest.length)} strongest of <From of="highways." layer={pair.from}>{plural(pair.n, "pair")}</From> <span class="muted">by PMI; a ribbon shows its own</span></>;
  return <Load of={rows}>{(rows) => <Rows pair={pair} rows={rows} words={words} title={title} />}</Load>;
}

function Pair({ pair, words }: { pair: FlowPair; words: Words }) {
  const { id, summary } = useRun();
  const theme = useTheme();
  const [query] = useQuery();
  const chosen = query["link"] ?? "";
  const { from, to } = pair;
  const data = useLoad(`pair ${id} ${from} ${to}`, async (): Promise<Data> => {
    const [file, before, after] = await Promise.all([loadPair(id, pair), loadModules(id, from), loadModules(id, to)]);
    return { file, before, after };
  });
  const picture = useMemo(() => data.value && {
    left: blocks(data.value.file.links.map(([a]) => a), data.value.before, words, theme),
    right: blocks(data.value.file.links.map(([, b]) => b), data.value.after, words, theme),
    ribbons: data.value.file.links.map(([a, b, n]) => {
      const key = `${a}.${b}`;
      return { from: a, to: b, n, current: key === chosen, href: `#${paths.flow(id, { from: String(from), to: String(to), link: key === chosen ? "" : key })}` };
    }),
  }, [data.value, words, theme, chosen]);
  const caption = `Highways from layer ${from} to layer ${to}: ${plural(pair.n, "pair")} of features that fire at the same positions, by the modules of their features.`;
  return (
    <Load of={data}>
      {(data) => (
        <div class="explorer flow-pair">
          <figure class="panel">
            <figcaption class="with-take">
              <p><From of="highways." layer={from}>{count(pair.n)}</From> stored pairs: {plural(pair.n_features, "feature")} of layer {from} with {plural(pair.n_partners, "partner")} in layer {to}</p>
              <SvgButton name={["flow", from, to]} what="the flow" caption={caption} />
            </figcaption>
            {picture && <Sankey {...picture} titles={[`layer ${from}`, `layer ${to}`]} label={caption} />}
            <p class="small muted">Width: pairs. Colour: the module of the earlier layer. {summary.absent.some(({ table }) => table === "n_seen") ? "The published file keeps at most 500 features of a pair of layers, five partners each." : "At most five partners of a feature are stored, those of largest PMI."}</p>
          </figure>
          <Chosen pair={pair} data={data} words={words} chosen={chosen} />
        </div>
      )}
    </Load>
  );
}

export function Highways({ flow, words }: { flow: Flow; words: Words }) {
  const { id, summary } = useRun();
  const [query, change] = useQuery();
  const layers = summary.layers.map(({ layer }) => layer);
  const asked = (name: string) => layers.find((layer) => String(layer) === query[name]);
  const from = asked("from") ?? flow.pairs[0]?.from ?? layers[0]!;
  const to = asked("to") ?? flow.pairs.find((pair) => pair.from === from)?.to ?? layers.find((layer) => layer > from) ?? layers.at(-1)!;
  const pair = flow.pairs.find((other) => other.from === from && other.to === to);
  const rates = summary.layers.find(({ layer }) => layer === from)?.rates ?? [];
  const next = layers[layers.indexOf(from) + 1] === to;
  const rate = rates.find(({ rate }) => rate === `highway_to:${to}`) ?? (next ? rates.find(({ rate }) => rate === "highway") : undefined);
  const reach = to > from ? flow.lasting?.reach[layers.indexOf(from)]?.[layers.indexOf(to)] : undefined;
  const select = (name: "from" | "to", value: number, options: number[]) => (
    <label class="inline">
      {name === "from" ? "From layer" : "to layer"}
      <select value={value} onChange={(event) => change({ [name]: event.currentTarget.value, link: "", ...(name === "from" ? { to: "" } : {}) })}>
        {options.map((layer) => <option value={layer}>{layer}</option>)}
      </select>
    </label>
  );
  return (
    <section aria-labelledby="highways">
      <div class="section-head">
        <h2 id="highways">Highways</h2>
        <p class="muted">features of two layers that fire at the same positions more often than independence allows</p>
      </div>
      <div class="toolbar">{select("from", from, layers.slice(0, -1))}{select("to", to, layers.filter((layer) => layer > from))}</div>
      <p class="facts">
        {rate && <span><From of="rates.value" layer={from} name={rate.rate} n={plural(rate.n ?? 0, "feature")} null={rate.null}>{percent(rate.value)}</From> of {plural(rate.n ?? 0, "feature")} of layer {from} have a highway to layer {to} <span class="muted">({nullPhrase(rate)})</span></span>}
        {reach !== undefined && <span><From of="chain_members.">{count(reach)}</From> of layer {from} are matched step by step as far as layer {to} <span class="muted">({share(reach / Math.max(1, flow.lasting!.reach[layers.indexOf(from)]![layers.indexOf(from)]!))})</span></span>}
      </p>
      {rate && rate.null_mean !== null && rate.value !== null && rate.value - rate.null_mean < 0.05 && (
        <p class="flag flow-flag">Nearly as many have one by chance: {rate.null}.</p>
      )}
      {pair
        ? <Pair pair={pair} words={words} />
        : (
          <p class="note">
            {absence(summary, "highways", from) ?? `No highways were looked for between layer ${from} and layer ${to}: a run counts them between a layer and the next, and between the pairs that its configuration names (highways.pairs).`}
            {flow.pairs.length > 0 && <> This run has them from {flow.pairs.slice(0, 24).map(({ from: a, to: b }, i) => <>{i > 0 && ", "}<a href={`#${paths.flow(id, { from: String(a), to: String(b) })}`}>{a} to {b}</a></>)}.</>}
          </p>
        )}
      <PythonCell code={pair ? highwayCode(summary, from, to) : flowCode(summary)} />
    </section>
  );
}
