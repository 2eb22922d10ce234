// Which features tell a group of cells apart: a matrix of layers and groups, and the strongest features of one group.
import { CsvButton, PythonCell } from "../components/take";
import { LegendView } from "../components/legend";
import { From } from "../components/source";
import { UNDER, VirtualTable, type Column } from "../components/virtual-table";
import { Sideways } from "../components/sideways";
import { loadGroupHits, loadMatrix } from "../data/store";
import type { GroupHit, Groups, MatrixCell } from "../data/types";
import { auroc, count, fixed, MISSING, plural, probability, shortTerm } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { nullPhrase } from "../lib/names";
import { sequential } from "../lib/palette";
import { groupCode } from "../lib/python";
import { paths, useQuery } from "../lib/route";
import { absence, useRun, useTitle, useWords, type Words } from "../lib/run";
import { from } from "../lib/source";
import { useTheme } from "../lib/theme";

const ROWS = 60;

interface MatrixProps {
  matrix: MatrixCell[][];
  shown: number[];
  groups: Groups;
  chosen: number | null;
  link: (group: number) => string;
}

/** Dark ink on light cells and the other way round. */
const ink = (t: number, dark: boolean) => ((dark ? t > 0.55 : t > 0.62) ? "#10141c" : "#ffffff");

function Matrix({ matrix, shown, groups, chosen, link }: MatrixProps) {
  const { id, summary } = useRun();
  const theme = useTheme();
  const layers = summary.layers.map((layer) => layer.layer);
  const shade = (area: number | null) => (area === null ? null : Math.min(1, (area - 0.5) / 0.5));
  return (
    <Sideways label="Features of every group in every layer">
      <table class="matrix" data-testid="matrix">
        <thead><tr><th scope="col">Group</th><th scope="col" class="num narrow-hide">Cells</th>{layers.map((layer) => <th scope="col" class="num"><a href={`#${paths.layer(id, layer)}`}>{layers.length > 8 ? layer : `Layer ${layer}`}</a></th>)}</tr></thead>
        <tbody>
          {shown.map((group) => (
            <tr key={group} class={group === chosen ? "chosen" : ""}>
              <th scope="row"><a href={link(group)} aria-current={group === chosen ? "true" : undefined}>{groups.value[group]}</a></th>
              <td class="num muted narrow-hide" {...from("cell_labels.value")}>{count(groups.n_cells[group])}</td>
              {(matrix[group] ?? []).map(([n, area, best], i) => {
                const t = shade(area);
                const layer = layers[i]!;
                const style = t === null ? {} : { background: sequential(t, theme), color: ink(t, theme === "dark") };
                return <td class="heat num" style={style} title={area === null ? "no feature at q < 0.05" : `best AUROC ${auroc(area)}, feature ${best}`} {...from("celltypes.auroc", { layer })}>{n ? count(n) : <span class="muted">0</span>}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </Sideways>
  );
}

function Strongest({ group, hits, words }: { group: number; hits: GroupHit[]; words: Words }) {
  const { id, summary } = useRun();
  const { groups, terms } = words;
  const rows = [...hits].sort((a, b) => (b[4] ?? 0) - (a[4] ?? 0) || a[0] - b[0] || a[1] - b[1]);
  const at = (i: number) => rows[i]!;
  const label = (i: number) => (at(i)[8] === null ? "" : terms.term[at(i)[8]!] ?? "");
  const columns: Column[] = [
    { key: "layer", title: "Layer", width: "3.5rem", phone: "2.75rem", cell: (i) => at(i)[0] },
    { key: "feature", title: "Feature", width: "4.5rem", phone: "minmax(3rem, 1fr)", cell: (i) => <a class="num" href={`#${paths.feature(id, at(i)[0], at(i)[1])}`}>{at(i)[1]}</a> },
    { key: "label", title: "Label of the feature", width: "minmax(9rem, 1fr)", phone: UNDER, cell: (i) => (label(i) ? <span title={label(i)}>{shortTerm(label(i))}</span> : <span class="muted">not annotated</span>) },
    { key: "auroc", title: "AUROC", width: "4.5rem", phone: "3.5rem", numeric: true, help: "chance that a cell of the group has the higher mean activation", cell: (i) => <span {...from("celltypes.auroc", { layer: at(i)[0], n: plural(at(i)[2], at(i)[3]) })}>{auroc(at(i)[4])}</span> },
    { key: "ratio", title: "log₂ ratio", width: "5rem", numeric: true, help: "log2 of the mean activation in the group over that in the rest", cell: (i) => <span {...from("celltypes.log_ratio", { layer: at(i)[0] })}>{fixed(at(i)[5])}</span> },
    { key: "q", title: "q", width: "6rem", phone: "5rem", numeric: true, help: "false discovery rate over every feature and group of the layer", cell: (i) => <span {...from("celltypes.q", { layer: at(i)[0] })}>{probability(at(i)[7])}</span> },
  ];
  const unit = rows[0]?.[3] ?? "cell";
  const name = groups.value[group] ?? "";
  return (
    <section class="stack" aria-labelledby="group">
      <div class="section-head">
        <h2 id="group">{name}</h2>
        <p class="muted">{groups.key[group]} · {plural(groups.n_cells[group] ?? 0, "cell")}{rows.length > 0 && `, compared by ${unit}`}</p>
      </div>
      {rows.length === 0
        ? <p class="note">No feature tells {name} from the other cells at q &lt; 0.05 with an AUROC above 0.5. With {plural(groups.n_cells[group] ?? 0, "cell")} only a strong difference could.</p>
        : (
          <div class="panel table-panel gene-hits" data-testid="group-features">
            <p class="table-title">
              <span class="strong">Strongest features</span> <span class="muted">at q &lt; 0.05, up to 40 of each layer</span>
              <span class="push"><CsvButton name={["cells", name]} what="these features" of={{ table: "celltypes", layer: rows[0]![0] }} header={["layer", "feature", "n_units", "unit", "auroc", "log_ratio", "p", "q", "label"]} rows={() => rows.map(([...row], i) => [...row.slice(0, 8), label(i)])} /></span>
            </p>
            <VirtualTable label={`Features of ${name}`} columns={columns} rows={rows.map((_, i) => i)} empty="" />
          </div>
        )}
      <PythonCell code={groupCode(summary, groups.key[group] ?? "", name)} />
    </section>
  );
}

function Chosen({ group, words }: { group: number; words: Words }) {
  const { id } = useRun();
  const hits = useLoad(`group ${id} ${group}`, () => loadGroupHits(id, group));
  return <Load of={hits}>{(hits) => <Strongest group={group} hits={hits} words={words} />}</Load>;
}

function Body({ words, matrix }: { words: Words; matrix: MatrixCell[][] }) {
  const theme = useTheme();
  const { id, summary } = useRun();
  const [query, change] = useQuery();
  const { groups } = words;
  const keys = [...new Set(groups.key)];
  const asked = groups.value.findIndex((value, i) => value === query["group"] && (query["key"] === undefined || groups.key[i] === query["key"]));
  const key = query["key"] !== undefined && keys.includes(query["key"]) ? query["key"] : asked < 0 ? keys[0]! : groups.key[asked]!;
  const own = groups.value.map((_, i) => i).filter((i) => groups.key[i] === key);
  const strength = (i: number) => Math.max(...(matrix[i] ?? []).map(([, area]) => area ?? 0));
  own.sort((a, b) => strength(b) - strength(a) || groups.n_cells[b]! - groups.n_cells[a]!);
  const chosen = asked >= 0 ? asked : null;
  const wrong = query["group"] !== undefined && asked < 0;
  const rate = summary.layers.flatMap((layer) => layer.rates).find((other) => other.rate === "cell_type");
  const link = (group: number) => `#${paths.groups(id, { key, group: groups.value[group]! })}`;
  const header = ["key", "group", "n_cells", "layer", "n_features", "best_auroc", "best_feature"];
  const rows = () => own.flatMap((i) => (matrix[i] ?? []).map(([n, area, best], l) => [groups.key[i], groups.value[i], groups.n_cells[i], summary.layers[l]?.layer, n, area, best]));
  useTitle(chosen === null ? "Cell types" : groups.value[chosen]!);
  return (
    <>
      {keys.length > 1 && (
        <label class="inline">Groups by
          <select value={key} onChange={(event) => change({ key: event.currentTarget.value, group: "" })}>{keys.map((name) => <option value={name}>{name}</option>)}</select>
        </label>
      )}
      {wrong && <p class="note" role="status">No group of these cells is called “{query["group"]}”.</p>}
      <section class="panel" aria-labelledby="matrix">
        <div class="panel-head"><h2 id="matrix">Layers and groups</h2><CsvButton name={["cells", key]} what="the matrix" of={{ table: "celltypes", layer: summary.layers[0]!.layer }} header={header} rows={rows} /></div>
        <Matrix matrix={matrix} shown={own.slice(0, ROWS)} groups={groups} chosen={chosen} link={link} />
        <div class="map-note"><LegendView legend={{ kind: "numbers", stops: [0, 0.25, 0.5, 0.75, 1].map((t) => sequential(t, theme)), ticks: ["0.5", "0.75", "1"], unit: "shade: the largest AUROC of the features counted", none: null }} /></div>
        <p class="small muted table-note">
          Number: features with an AUROC above 0.5 at q &lt; 0.05.  {own.length > ROWS && `The ${ROWS} groups with the largest; the CSV has all ${own.length}. `}
          {rate && <>Of layer {summary.layers[0]!.layer}, <From of="rates.value" layer={summary.layers[0]!.layer} name="cell_type" n={`${count(rate.n)} features`} null={rate.null}>{rate.value === null ? MISSING : `${(100 * rate.value).toFixed(1)} %`}</From> of the features belong to some group ({nullPhrase(rate)}).</>}
        </p>
      </section>
      {chosen === null ? <p class="muted">Choose a group to see its strongest features.</p> : <Chosen key={chosen} group={chosen} words={words} />}
    </>
  );
}

export default function CellsPage() {
  const { id, summary } = useRun();
  const lacks = absence(summary, "celltypes") ?? absence(summary, "cell_labels");
  const words = useWords();
  const matrix = useLoad(`matrix ${id}`, () => loadMatrix(id));
  useTitle("Cell types");
  return (
    <>
      <header class="page-head"><h1>Cell types</h1><p class="lede">The features that tell each group of cells from the rest: cell types, tissues, donors, whatever column the cells came with.</p></header>
      {lacks
        ? <p class="note" role="status">{lacks} So there are no tests of cell groups to show.</p>
        : (
          <Load of={words}>{(words) => <Load of={matrix}>{(matrix) => (
            words.groups.value.length ? <Body words={words} matrix={matrix} /> : <p class="note">These cells came without a label column, so there are no groups to compare. Name columns of obs under <code>cells.labels</code> in the run's configuration.</p>
          )}</Load>}</Load>
        )}
    </>
  );
}
