// What the chosen features have more often than the other features of their layer.
import { useMemo } from "preact/hooks";
import { NONE32, type FeatureMap, type TopGenes } from "../data/columns";
import { loadGenes, loadTopGenes } from "../data/store";
import type { Genes } from "../data/types";
import { count, number, percent, plural, probability, shortTerm } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from } from "../lib/source";
import { enriched, geneMarks, groupMarks, labelMarks, type Mark, type Marks } from "../map/apart";
import { isDead, strongGroup, TELLS_APART } from "../map/colouring";
import { CsvButton } from "./take";

const FEW = 10;
const MOST_GENES = 100;
const Q = 0.05;

interface Props {
  map: FeatureMap;
  layer: number;
  words: Words;
  passes: Uint8Array;
}

function MarkTable({ title, what, marks, name, of }: { title: string; what: string; of: string; marks: Marks; name: (mark: Mark) => preact.ComponentChildren }) {
  const sure = marks.marks.filter((mark) => mark.q < Q);
  const shown = (sure.length ? sure : marks.marks).slice(0, FEW);
  const top = Math.max(...shown.map((mark) => mark.chosen), 1);
  const source = from(of, {
    how: `one-sided hypergeometric tests over the features of this layer, Benjamini-Hochberg over ${plural(marks.family, what)}`,
    n: `${plural(marks.chosen, "chosen feature")} of ${count(marks.population)}`, null: "as many features drawn from the layer",
  });
  return (
    <div>
      <h3>{title}</h3>
      <p class="small muted">{sure.length ? `${count(sure.length)} of ${plural(marks.family, what)} at q < ${Q}` : `none of ${plural(marks.family, what)} at q < ${Q}${shown.length ? "; the first" : ""}`}</p>
      <table class="bars">
        <thead><tr><th scope="col">{title.replace(/s$/, "")}</th><th scope="col" class="wide"><span class="sr">As a bar</span></th><th scope="col" class="num" title="features chosen that have it, of all that have it">Chosen / all</th><th scope="col" class="num">q</th></tr></thead>
        <tbody>
          {shown.map((mark) => (
            <tr class={mark.q < Q ? "" : "unsure"}>
              <th scope="row">{name(mark)}</th>
              <td class="wide"><span class="bar" aria-hidden="true"><i style={{ width: `${(100 * mark.chosen) / top}%` }} /><b style={{ left: `${Math.min(100, (100 * mark.all * marks.chosen) / marks.population / top)}%` }} /></span></td>
              <td class="num" {...source} title={`log2 of observed over expected: ${number(mark.effect)}`}>{count(mark.chosen)} / {count(mark.all)}</td>
              <td class="num" {...source}>{probability(mark.q)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const middle = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;

/** Numbers of the chosen features beside those of the others. */
function Beside({ map, passes }: Pick<Props, "map" | "passes">) {
  const rows = Array.from({ length: map.n }, (_, i) => i).filter((i) => !isDead(map, i));
  const facts = [true, false].map((chosen) => {
    const own = rows.filter((i) => (passes[i] === 1) === chosen);
    const part = (test: (i: number) => boolean) => (own.length ? own.filter(test).length / own.length : null);
    return [
      count(own.length), percent(part((i) => map.label[i] !== NONE32)), percent(part((i) => strongGroup(map, i) !== null)),
      own.length ? percent(middle(own.map((i) => map.frequency[i]!)), 2) : "—", number(own.length ? middle(own.map((i) => map.max_value[i]!)) : null),
    ];
  });
  const names = [["Live features", "features.dead"], ["Annotated", "labels.term"], [`Tell a cell group apart at AUROC ≥ ${TELLS_APART}`, "celltypes.auroc"], ["Firing frequency, median", "features.frequency"], ["Largest activation, median", "features.max_value"]] as const;
  return (
    <table class="beside">
      <thead><tr><th scope="col">Number</th><th scope="col" class="num">These</th><th scope="col" class="num">The others</th></tr></thead>
      <tbody>{names.map(([name, of], i) => <tr><th scope="row">{name}</th><td class="num strong" {...from(of)}>{facts[0]![i]}</td><td class="num" {...from(of)}>{facts[1]![i]}</td></tr>)}</tbody>
    </table>
  );
}

function Tests({ map, layer, words, passes, top, genes }: Props & { top: TopGenes; genes: Genes }) {
  const { id } = useRun();
  const { terms, groups } = words;
  const found = useMemo(() => {
    const chosen = (row: number) => passes[row] === 1;
    const alive = (row: number) => !isDead(map, row);
    return {
      genes: enriched(geneMarks(map, top, genes.symbol.length), chosen),
      labels: enriched(labelMarks(map, alive), chosen),
      groups: enriched(groupMarks(map, alive, (row) => strongGroup(map, row)), chosen),
    };
  }, [map, top, passes]);
  const list = found.genes.marks.filter((mark) => mark.q < Q && mark.effect > 0).slice(0, MOST_GENES).map((mark) => genes.symbol[mark.key] ?? "");
  const kinds: [string, Marks, (key: number) => string][] = [
    ["gene", found.genes, (key) => genes.symbol[key] ?? ""], ["label", found.labels, (key) => terms.term[key] ?? ""], ["group", found.groups, (key) => groups.value[key] ?? ""],
  ];
  return (
    <>
      <div class="apart" data-testid="apart" data-layer={layer}>
        <MarkTable title="Genes" of="top_genes.gene" what="top gene" marks={found.genes} name={({ key }) => <a class="gene" href={`#${paths.genes(id, genes.symbol[key])}`}>{genes.symbol[key]}</a>} />
        <MarkTable title="Labels" of="labels.term" what="label" marks={found.labels} name={({ key }) => <span title={terms.source[key]}>{shortTerm(terms.term[key] ?? "")}</span>} />
        {groups.value.length > 0 && <MarkTable title="Cell groups" of="celltypes.auroc" what="group" marks={found.groups} name={({ key }) => groups.value[key]} />}
        <div><h3>In numbers</h3><p class="small muted">against the other live features of the layer</p><Beside map={map} passes={passes} /></div>
      </div>
      <p class="chips">
        {list.length > 0 && <a class="button" href={`#${paths.list(id, list)}`}>Rank all features by these {plural(list.length, "gene")}</a>}
        <CsvButton
          name={["layer", layer, "apart"]} what="what sets them apart" header={["kind", "name", "n_chosen_with", "n_all_with", "n_chosen", "n_all", "family", "effect", "p", "q"]}
          rows={() => kinds.flatMap(([kind, { marks, chosen, population, family }, name]) => marks.map((mark) => [kind, name(mark.key), mark.chosen, mark.all, chosen, population, family, mark.effect, mark.p, mark.q]))}
        />
      </p>
      <p class="small muted">
        One-sided hypergeometric tests over the features of this layer; tick: what chance would give. q: Benjamini-Hochberg over all marks of the same kind in the layer.
        A filter by label or group makes that label or group stand out by itself.
      </p>
    </>
  );
}

export function Apart(props: Props) {
  const { id } = useRun();
  const data = useLoad(`apart ${id} ${props.layer}`, async () => {
    const [tops, genes] = await Promise.all([loadTopGenes(id, [props.layer]), loadGenes(id)]);
    return { top: tops.get(props.layer)!, genes };
  });
  return <Load of={data}>{(data) => <Tests {...props} {...data} />}</Load>;
}
