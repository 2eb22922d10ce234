// The features of a layer that pass the filters: the distributions of their numbers and the list of them.
import { useCallback } from "preact/hooks";
import { NONE16, NONE32, type FeatureMap } from "../data/columns";
import type { LayerSummary } from "../data/types";
import { count } from "../lib/format";
import { queryNow, type Query } from "../lib/route";
import type { Words } from "../lib/run";
import { isDead, isRare } from "../map/colouring";
import { decodeRanges, encodeRanges, type Ranges } from "../map/filter";
import type { NumberColumn, Values } from "../map/numbers";
import type { SortKey } from "../map/select";
import { Crossfilter } from "./crossfilter";
import { FeatureTable } from "./feature-table";
import { Icon } from "./icon";
import { From } from "./source";
import { CsvButton } from "./take";

const HEADER = [
  "layer", "feature", "label_source", "label", "label_q", "n_terms", "group_key", "group", "group_auroc", "module", "n_fired", "frequency", "n_cells",
  "max_value", "dead", "rare",
];
const digits = (value: number | undefined) => Number(value?.toPrecision(4));

interface Props {
  about: LayerSummary;
  map: FeatureMap;
  words: Words;
  columns: NumberColumn[];
  values: Values;
  filters: string[];
  failed: Int8Array;
  ranges: Ranges;
  rows: number[];
  /** the rows that pass at the moment when they are taken away */
  taken: () => number[];
  /** features that are still on their way */
  left: number;
  sort: SortKey;
  down: boolean;
  more: boolean;
  apart: boolean;
  selected: number | null;
  change: (part: Query) => void;
}

export function FeaturesPanel({ about, map, words, columns, values, filters, failed, ranges, rows, taken, left, sort, down, more, apart, selected, change }: Props) {
  const { layer } = about;
  const { terms, groups } = words;
  const filtered = filters.length > 0;
  const alive = useCallback((row: number) => !isDead(map, row), [map]);
  const cells = () => taken().map((i) => [
    layer, map.feature[i], terms.source[map.label[i]!], terms.term[map.label[i]!], digits(map.label_q[i]), map.n_terms[i], groups.key[map.group[i]!],
    groups.value[map.group[i]!], digits(map.group_auroc[i]), map.module[i] === NONE16 ? null : map.module[i], map.n_fired[i], digits(map.frequency[i]),
    map.n_cells[i] === NONE32 ? null : map.n_cells[i], digits(map.max_value[i]), String(isDead(map, i)), String(isRare(map, i)),
  ]);
  return (
    <section class="panel table-panel" aria-label="Features">
      <Crossfilter
        {...{ columns, values, alive, filters, failed, ranges, more }} onMore={(on) => change({ more: on ? "1" : "" })}
        onRange={(key, range) => change({ only: encodeRanges({ ...decodeRanges(queryNow()["only"]), [key]: range }) })}
      />
      <p class="table-title">
        <span><From of="features." layer={layer}>{count(rows.length)}</From> of {left > 0 ? `a random ${count(map.n)} of the ${count(map.n + left)}` : count(map.n)} features</span>
        {filtered && <button type="button" class="plain" onClick={() => change({ filter: "", pick: "", only: "", around: "" })}><Icon name="close" /> Clear the filter</button>}
        {left > 0
          ? <span class="push small muted" role="status">the others are on their way</span>
          : (
            <span class="push chips">
              {filtered && rows.length > 0 && <button type="button" class="take" aria-expanded={apart} onClick={() => change({ apart: apart ? "" : "1" })}>What sets them apart</button>}
              <CsvButton name={["layer", layer]} what="these features" of={{ table: "features", layer }} header={HEADER} rows={cells} />
            </span>
          )}
      </p>
      <FeatureTable
        {...{ map, layer, words, rows, selected, sort, down }}
        onSort={(key) => change(key === sort ? { down: down ? "" : "1" } : { sort: key, down: "" })}
      />
    </section>
  );
}
