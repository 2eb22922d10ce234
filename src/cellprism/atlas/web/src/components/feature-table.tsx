// The features of a layer as a table that follows the map's filter.
import { NONE16, NONE32, type FeatureMap } from "../data/columns";
import { auroc, mapTerm, MISSING, number, probability, share } from "../lib/format";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from } from "../lib/source";
import { isDead } from "../map/colouring";
import type { SortKey } from "../map/select";
import { UNDER, VirtualTable, type Column } from "./virtual-table";

interface Props {
  map: FeatureMap;
  layer: number;
  words: Words;
  rows: number[];
  selected: number | null;
  sort: SortKey;
  down: boolean;
  onSort: (key: string) => void;
}

export function FeatureTable({ map, layer, words, rows, selected, sort, down, onSort }: Props) {
  const { id } = useRun();
  const link = (row: number) => `#${paths.feature(id, layer, map.feature[row]!)}`;
  const source = (column: string) => from(column, { layer });
  const label = (row: number) => words.terms.term[map.label[row]!] ?? "";
  const grouped = words.groups.value.length > 0;
  const all: (Column & { key: SortKey })[] = [
    { key: "feature", title: "Feature", width: "3.75rem", phone: "minmax(3rem, 1fr)", cell: (i) => <a class="num" href={link(i)}>{map.feature[i]}</a> },
    {
      key: "label", title: "Label", width: "minmax(6rem, 1fr)", phone: UNDER, help: "the term with the smallest q",
      cell: (i) => isDead(map, i)
        ? <span class="muted">dead, never fires</span>
        : map.label[i] === NONE32 ? <span class="muted">not annotated</span> : <a class="quiet" href={link(i)} title={label(i)}>{mapTerm(label(i))}</a>,
    },
    { key: "q", title: "q", width: "5.25rem", phone: "5rem", numeric: true, help: "false discovery rate of the label", cell: (i) => <span {...source("labels.q")}>{probability(map.label_q[i])}</span> },
    { key: "terms", title: "Terms", width: "4.5rem", numeric: true, extra: grouped, help: "terms below the q threshold", cell: (i) => <span {...source("labels.n_terms")}>{map.n_terms[i]}</span> },
    { key: "group", title: "Cell group", width: "minmax(5.5rem, 0.65fr)", phone: UNDER, help: "group with the highest AUROC at q < 0.05", cell: (i) => (map.group[i] === NONE16 ? <span class="muted">{MISSING}</span> : words.groups.value[map.group[i]!]) },
    { key: "auroc", title: "AUROC", width: "3.75rem", phone: "3.25rem", numeric: true, help: "of that group against the other cells; 0.5 is chance", cell: (i) => <span {...source("celltypes.auroc")}>{auroc(map.group_auroc[i])}</span> },
    { key: "module", title: "Module", width: "4.5rem", numeric: true, extra: grouped, cell: (i) => <span {...source("members.module")}>{map.module[i] === NONE16 ? MISSING : map.module[i]}</span> },
    { key: "frequency", title: "Fires", width: "5rem", numeric: true, extra: true, help: "share of positions", cell: (i) => <span {...source("features.frequency")}>{share(map.frequency[i])}</span> },
    { key: "max", title: "Max", width: "4.5rem", numeric: true, extra: true, help: "largest activation", cell: (i) => <span {...source("features.max_value")}>{isDead(map, i) ? MISSING : number(map.max_value[i])}</span> },
  ];
  const columns = all.filter(({ key }) => grouped || (key !== "group" && key !== "auroc"));
  return (
    <VirtualTable
      label={`Features of layer ${layer}`} columns={columns} rows={rows} selected={selected}
      sort={{ key: sort, down, by: onSort }} empty="No feature of this layer matches the filter."
    />
  );
}
