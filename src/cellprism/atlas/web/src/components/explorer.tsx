// The map of a layer, its numbers and its features, coloured and filtered together.
import { useMemo } from "preact/hooks";
import { NONE16, NONE32, type FeatureMap } from "../data/columns";
import { loadNumbers } from "../data/store";
import type { LayerSummary, Module } from "../data/types";
import { count, fixed } from "../lib/format";
import { useLoad } from "../lib/load";
import { noneColour } from "../lib/palette";
import { layerCode } from "../lib/python";
import { open, paths, useQuery } from "../lib/route";
import { absence, useRun, type Words } from "../lib/run";
import { mapBackground, useTheme } from "../lib/theme";
import { colouring, colouringBy, isDead, isKind, isRare, kinds, type Kind, type Legend } from "../map/colouring";
import { decodeOutline, decodeRanges, encodeOutline, encodeRanges, failures, inside, rangeFilters } from "../map/filter";
import { columnsOf, valuesOf, type NumberColumn, type Values } from "../map/numbers";
import { labelled, matches, naming, sorted, type SortKey } from "../map/select";
import { decodeView, encodeView } from "../map/view";
import { Apart } from "./apart";
import { Crossfilter, FIRST } from "./crossfilter";
import { FeatureTable } from "./feature-table";
import { Icon } from "./icon";
import { LegendView } from "./legend";
import { MapCanvas } from "./map-canvas";
import { From } from "./source";
import { CsvButton, PythonCell } from "./take";

export interface LayerData {
  map: FeatureMap;
  modules: Module[];
}

interface Props {
  about: LayerSummary;
  data: LayerData;
  words: Words;
}

/** The numbers in the map's file, and of the others those that are asked for. */
function useValues(map: FeatureMap, layer: number, columns: NumberColumn[], wanted: string[]): Values {
  const { id } = useRun();
  const own = useMemo((): Values => new Map(columns.filter((column) => column.value).map((column) => [column.key, valuesOf(map, column)])), [map, columns]);
  const files = columns.filter(({ key, value }) => !value && wanted.includes(key)).map(({ key }) => key);
  const more = useLoad(`numbers ${id} ${layer} ${files.join(" ")}`, async () => new Map(await Promise.all(files.map(async (name) => [name, await loadNumbers(id, layer, name)] as const))));
  return useMemo((): Values => new Map([...own, ...(more.value ?? [])]), [own, more.value]);
}

/** The legend in words. */
const keyOf = (legend: Legend) =>
  legend.kind === "categories"
    ? `${legend.entries.slice(0, 11).map(({ name, colour }) => `${name} ${colour}`).join(", ")}.`
    : `Dark to light: ${legend.ticks[0]} to ${legend.ticks.at(-1)} ${legend.unit}.`;

function MapNote({ about }: { about: LayerSummary }) {
  const { summary } = useRun();
  if (!about.map) return null;
  if (about.map.metric === null) return <p class="small muted map-note">{absence(summary, "embedding", about.layer) ?? `Layout: ${about.map.method}.`}</p>;
  return (
    <p class="small muted map-note">
      {about.map.method} of the atoms, {about.map.metric} distance, seed {about.map.seed}; trustworthiness {fixed(about.map.trustworthiness)} of 1.
      Only nearness has a meaning, the axes have none.
    </p>
  );
}

const HEADER = [
  "layer", "feature", "label_source", "label", "label_q", "n_terms", "group_key", "group", "group_auroc", "module", "n_fired", "frequency", "n_cells",
  "max_value", "dead", "rare",
];
const digits = (value: number | undefined) => Number(value?.toPrecision(4));

export function Explorer({ about, data, words }: Props) {
  const { id, summary } = useRun();
  const { layer } = about;
  const { map, modules } = data;
  const theme = useTheme();
  const [query, change] = useQuery();
  const columns = useMemo(() => columnsOf(map, about.columns), [map, about]);
  const ranges = useMemo(() => decodeRanges(query["only"]), [query["only"]]);
  const more = query["more"] === "1";
  const shown = columns.filter((_, i) => more || i < FIRST).map(({ key }) => key);
  const values = useValues(map, layer, columns, [...shown, ...Object.keys(ranges), query["colour"] ?? ""]);
  const number = columns.find(({ key }) => key === query["colour"] && values.has(key));
  const kind: Kind = isKind(query["colour"]) ? query["colour"] : words.groups.value.length ? "group" : "module";
  const mode = number?.key ?? kind;
  const text = query["filter"] ?? "";
  const pick = query["pick"] ?? "";
  const sort = (query["sort"] ?? "q") as SortKey;
  const down = query["down"] === "1";
  const selected = map.row.get(Number(query["feature"] ?? NaN)) ?? null;
  const outline = useMemo(() => decodeOutline(query["around"]), [query["around"]]);

  const colours = useMemo(() => (number ? colouringBy(number, values.get(number.key)!, theme) : colouring(kind, map, words, modules, theme)), [number, kind, data, words, theme, number && values]);
  const { names: filters, failed } = useMemo(() => {
    const tests: [string, (row: number) => boolean][] = rangeFilters(ranges, values);
    if (text.trim()) tests.push(["filter", matches(map, words, text)]);
    if (pick && colours.keys) tests.push(["pick", (row) => colours.keys![row] === pick]);
    if (outline) tests.push(["around", inside(map, outline)]);
    return { names: tests.map(([name]) => name), failed: failures(map.n, tests.map(([, test]) => test)) };
  }, [map, words, ranges, values, text, pick, colours.keys, outline]);
  const passes = useMemo(() => {
    const found = new Uint8Array(failed.length);
    for (let row = 0; row < found.length; row++) if (failed[row] === 0) found[row] = 1;
    return found;
  }, [failed]);
  const passing = (row: number) => passes[row] === 1;
  const order = useMemo(() => sorted(map, words, sort, down), [map, words, sort, down]);
  const byQ = useMemo(() => labelled(map, sort === "q" && !down ? order : sorted(map, words, "q", false)), [map, words, sort === "q" && !down]);
  const rows = useMemo(() => order.filter(passing), [order, passes]);
  const names = useMemo(() => naming(map, words, modules, mode, byQ, passing), [data, words, mode, byQ, passes]);
  const alive = useMemo(() => (row: number) => !isDead(map, row), [map]);
  const select = (row: number) => change({ feature: String(map.feature[row]) });
  const filtered = filters.length > 0;
  const { terms, groups } = words;
  const cells = () => rows.map((i) => [
    layer, map.feature[i], terms.source[map.label[i]!], terms.term[map.label[i]!], digits(map.label_q[i]), map.n_terms[i], groups.key[map.group[i]!],
    groups.value[map.group[i]!], digits(map.group_auroc[i]), map.module[i] === NONE16 ? null : map.module[i], map.n_fired[i], digits(map.frequency[i]),
    map.n_cells[i] === NONE32 ? null : map.n_cells[i], digits(map.max_value[i]), String(isDead(map, i)), String(isRare(map, i)),
  ]);
  const apart = query["apart"] === "1" && filtered && rows.length > 0;
  return (
    <>
      <div class="explorer">
        <section class="panel map-panel" aria-label="Map">
          <div class="toolbar">
            <label class="inline">
              Colour by
              <select value={query["colour"] && (number || isKind(query["colour"])) ? query["colour"] : kind} onChange={(event) => change({ colour: event.currentTarget.value, pick: "" })}>
                <optgroup label="Kinds">{Object.entries(kinds).map(([key, name]) => <option value={key}>{name}</option>)}</optgroup>
                <optgroup label="Numbers">{columns.map(({ key, title }) => <option value={key}>{title}</option>)}</optgroup>
              </select>
            </label>
            <div class="field grow">
              <Icon name="search" />
              <input
                type="search" aria-label="Filter by label, cell group or number" placeholder="Filter by label, cell group or number"
                value={text} onInput={(event) => change({ filter: event.currentTarget.value })}
              />
            </div>
          </div>
          <MapCanvas
            map={map} layer={layer} words={words} colour={colours.colour} muted={noneColour(theme)} background={mapBackground(theme)}
            caption={`The ${count(map.n)} features of layer ${layer}; ${about.map?.metric ? `near dots have similar atoms (${about.map.method})` : about.map?.method ?? ""}. Colour: ${(number?.title ?? kinds[kind]).toLowerCase()}. ${keyOf(colours.legend)}`}
            passes={passes} names={names} selected={selected} start={decodeView(query["view"])} onSelect={select}
            outline={outline} onOutline={(drawn) => change({ around: drawn ? encodeOutline(drawn) : "" })}
            onOpen={(row) => {
              select(row);
              open(paths.feature(id, layer, map.feature[row]!));
            }}
            onView={(view) => change({ view: encodeView(view) })}
          />
          <LegendView legend={colours.legend} picked={pick} onPick={(key) => change({ pick: key })} />
          <MapNote about={about} />
        </section>
        <section class="panel table-panel" aria-label="Features">
          <Crossfilter
            {...{ columns, values, alive, filters, failed, ranges, more }} onMore={(on) => change({ more: on ? "1" : "" })}
            onRange={(key, range) => change({ only: encodeRanges({ ...decodeRanges(new URLSearchParams(location.hash.split("?")[1]).get("only") ?? ""), [key]: range }) })}
          />
          <p class="table-title">
            <span><From of="features." layer={layer}>{count(rows.length)}</From> of {count(map.n)} features</span>
            {filtered && <button type="button" class="plain" onClick={() => change({ filter: "", pick: "", only: "", around: "" })}><Icon name="close" /> Clear the filter</button>}
            <span class="push chips">
              {filtered && rows.length > 0 && <button type="button" class="take" aria-expanded={apart} onClick={() => change({ apart: apart ? "" : "1" })}>What sets them apart</button>}
              <CsvButton name={["layer", layer]} what="these features" header={HEADER} rows={cells} />
            </span>
          </p>
          <FeatureTable
            {...{ map, layer, words, rows, selected, sort, down }}
            onSort={(key) => change(key === sort ? { down: down ? "" : "1" } : { sort: key, down: "" })}
          />
        </section>
      </div>
      {apart && (
        <section class="panel" aria-labelledby="apart">
          <div class="section-head"><h2 id="apart">What sets these {count(rows.length)} features apart</h2><p class="muted">from the others of layer {layer}</p></div>
          <Apart {...{ map, layer, words, passes }} />
        </section>
      )}
      <PythonCell code={layerCode(summary, groups, {
        layer, text, mode, pick: colours.keys ? pick : "", sort, down, features: outline ? rows.map((row) => map.feature[row]!).sort((a, b) => a - b) : null,
        ranges: columns.filter(({ key }) => ranges[key]).map((column) => [column, ranges[column.key]!]),
      })} />
    </>
  );
}
