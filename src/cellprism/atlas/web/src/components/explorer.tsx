// The map of a layer, its numbers and its features, coloured and filtered together.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { FeatureMap } from "../data/columns";
import { loadNumbers } from "../data/store";
import type { LayerSummary, Module } from "../data/types";
import { useAfter } from "../lib/after";
import { count, fixed } from "../lib/format";
import { useLoad, Waiting } from "../lib/load";
import { noneColour, pixel } from "../lib/palette";
import { layerCode } from "../lib/python";
import { open, paths, useQuery } from "../lib/route";
import { absence, useRun, type Words } from "../lib/run";
import { mapBackground, useTheme } from "../lib/theme";
import { colouring, colouringBy, isKind, kinds, type Colouring, type Kind, type Legend } from "../map/colouring";
import { sceneOf } from "../map/dots";
import { decodeOutline, decodeRanges, encodeOutline, failures, inside, rangeFilters, type Outline, type Ranges } from "../map/filter";
import { columnsOf, ownValues, type NumberColumn, type Values } from "../map/numbers";
import { labelled, matches, naming, sorted, type SortKey } from "../map/select";
import { isWarm } from "../map/painter";
import { decodeView, encodeView } from "../map/view";
import { Apart } from "./apart";
import { FIRST } from "./crossfilter";
import { FeaturesPanel } from "./features-panel";
import { Icon } from "./icon";
import { LegendView } from "./legend";
import { MapCanvas } from "./map-canvas";
import { PythonCell } from "./take";

export interface LayerData {
  /** of a large layer at first a random sample of its features */
  map: FeatureMap;
  modules: Module[];
}

interface Props {
  about: LayerSummary;
  data: LayerData;
  words: Words;
  /** the map and the list of the features are on the page */
  onShown: () => void;
}

/** The numbers in the map's file, and of the others those that are asked for. */
function useValues(map: FeatureMap, layer: number, columns: NumberColumn[], wanted: string[]): Values {
  const { id } = useRun();
  const own = useMemo(() => ownValues(map, columns), [map, columns]);
  const files = columns.filter(({ key, value }) => !value && wanted.includes(key)).map(({ key }) => key);
  const more = useLoad(`numbers ${id} ${layer} ${files.join(" ")}`, async () => new Map(await Promise.all(files.map(async (name) => [name, await loadNumbers(id, layer, name)] as const))));
  return useMemo((): Values => {
    const there = new Map([...(more.value ?? [])].map(([key, values]) => [key, values.subarray(0, map.n)]));
    return (key) => own(key) ?? there.get(key);
  }, [own, more.value]);
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

/** What the map shows, and the rest of the page after it. */
interface Shown {
  map: FeatureMap;
  colours: Colouring;
  /** keys of the filters, and what each row fails, as `failures` gives it */
  filters: string[];
  failed: Int8Array;
  passes: Uint8Array;
  mode: string;
  pick: string;
  text: string;
  ranges: Ranges;
  outline: Outline | null;
  sort: SortKey;
  down: boolean;
  more: boolean;
  apart: boolean;
  selected: number | null;
  values: Values;
}

/** The features in order, those that pass, and the names on the map. */
function useListed(shown: Shown | null, words: Words, modules: Module[]) {
  const { map, sort, down, passes, mode } = shown ?? {};
  const byQ = useMemo(() => (map ? sorted(map, words, "q", false) : []), [map, words]);
  const order = useMemo(() => (!map || !sort || (sort === "q" && !down) ? byQ : sorted(map, words, sort, down!)), [byQ, sort, down]);
  const rows = useMemo(() => (passes ? order.filter((row) => passes[row]) : []), [order, passes]);
  const names = useMemo(() => (map && passes && mode ? naming(map, words, modules, mode, labelled(map, byQ), (row) => passes[row] === 1) : null), [byQ, modules, mode, passes]);
  return { order, rows, names };
}

export function Explorer({ about, data, words, onShown }: Props) {
  const { id, summary } = useRun();
  const { layer } = about;
  const { map, modules } = data;
  const theme = useTheme();
  const [query, change] = useQuery();
  const columns = useMemo(() => columnsOf(map, about.columns), [map, about]);
  const ranges = useMemo(() => decodeRanges(query["only"]), [query["only"]]);
  const more = query["more"] === "1";
  const [complete, setComplete] = useState(false);
  const seen = complete ? columns.filter((_, i) => more || i < FIRST).map(({ key }) => key) : [];
  const values = useValues(map, layer, columns, [...seen, ...Object.keys(ranges), query["colour"] ?? ""]);
  const asked = columns.find(({ key }) => key === query["colour"]);
  const numbers = asked && values(asked.key);
  const number = numbers && asked;
  const kind: Kind = isKind(query["colour"]) ? query["colour"] : words.groups.value.length ? "group" : "module";
  const mode = number?.key ?? kind;
  const text = query["filter"] ?? "";
  const pick = query["pick"] ?? "";
  const sort = (query["sort"] ?? "q") as SortKey;
  const down = query["down"] === "1";
  const apart = query["apart"] === "1";
  const selected = map.row(Number(query["feature"] ?? NaN));
  const outline = useMemo(() => decodeOutline(query["around"]), [query["around"]]);

  const colours = useMemo(() => (number ? colouringBy(number, numbers!, theme) : colouring(kind, map, words, modules, theme)), [number, kind, data, words, theme, numbers]);
  const { names: filters, failed, passes } = useMemo(() => {
    const tests: [string, (row: number) => boolean][] = rangeFilters(ranges, values);
    if (text.trim()) tests.push(["filter", matches(map, words, text)]);
    if (pick && colours.has) tests.push(["pick", colours.has(pick)]);
    if (outline) tests.push(["around", inside(map, outline)]);
    const failed = failures(map.n, tests.map(([, test]) => test));
    const passes = new Uint8Array(map.n);
    for (let row = 0; row < map.n; row++) if (failed[row] === 0) passes[row] = 1;
    return { names: tests.map(([name]) => name), failed, passes };
  }, [map, words, ranges, Object.keys(ranges).length && values, text, pick, pick && colours.has, outline]);
  const background = mapBackground(theme);
  const scene = useMemo(() => sceneOf(map, colours.colour, passes, pixel(noneColour(theme)), pixel(background)), [map, colours, passes, theme]);
  const parts = [map, colours, filters, failed, passes, mode, pick, text, ranges, outline, sort, down, more, apart, selected, values];
  const now = useMemo((): Shown => ({ map, colours, filters, failed, passes, mode, pick, text, ranges, outline, sort, down, more, apart, selected, values }), parts);
  // To start a worker takes longer than all else: the first map of a visit does not hold up its list.
  const [cold] = useState(() => !isWarm());
  const [shown, drawn] = useAfter(now, scene, cold);
  const there = shown !== null;
  useEffect(() => {
    // What is not needed for it is asked for only now.
    if (!there) return;
    setComplete(true);
    onShown();
  }, [there]);
  const { order, rows, names } = useListed(shown, words, modules);
  const select = (row: number) => change({ feature: String(map.feature[row]) });
  const latest = useRef(passes);
  latest.current = passes;

  const legend = useMemo(() => {
    const { colours, pick } = shown ?? now;
    return <LegendView legend={colours.legend} picked={pick} onPick={(key) => change({ pick: key })} />;
  }, [shown ?? now]);
  const panel = useMemo(() => shown && (
    <FeaturesPanel
      {...shown} {...{ about, columns, words, rows, change }} left={about.n_features - shown.map.n}
      taken={() => order.filter((row) => latest.current[row])}
    />
  ), [shown, about, columns, words, rows]);
  const below = useMemo(() => shown && (
    <>
      {shown.apart && shown.filters.length > 0 && rows.length > 0 && (
        <section class="panel" aria-labelledby="apart">
          <div class="section-head"><h2 id="apart">What sets these {count(rows.length)} features apart</h2><p class="muted">from the others of layer {layer}</p></div>
          <Apart map={shown.map} passes={shown.passes} {...{ layer, words }} />
        </section>
      )}
      <PythonCell code={layerCode(summary, words.groups, {
        layer, text: shown.text, mode: shown.mode, pick: shown.colours.has ? shown.pick : "", sort: shown.sort, down: shown.down,
        features: shown.outline ? rows.map((row) => shown.map.feature[row]!).sort((a, b) => a - b) : null,
        ranges: columns.filter(({ key }) => shown.ranges[key]).map((column) => [column, shown.ranges[column.key]!]),
      })} />
    </>
  ), [shown, summary, words, columns, rows]);
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
                type="search" aria-label="Filter by label, cell group or number" placeholder="Label, group or number"
                value={text} onInput={(event) => change({ filter: event.currentTarget.value })}
              />
            </div>
          </div>
          <MapCanvas
            map={map} layer={layer} words={words} scene={scene} background={background}
            caption={`${map.n < about.n_features ? `A random ${count(map.n)} of the ${count(about.n_features)}` : `The ${count(map.n)}`} features of layer ${layer}; ${about.map?.metric ? `near dots have similar atoms (${about.map.method})` : about.map?.method ?? ""}. Colour: ${(number?.title ?? kinds[kind]).toLowerCase()}. ${keyOf(colours.legend)}`}
            passes={passes} names={names} selected={selected} start={decodeView(query["view"])} onSelect={select} onDrawn={drawn}
            outline={outline} onOutline={(drawn) => change({ around: drawn ? encodeOutline(drawn) : "" })}
            onOpen={(row) => {
              select(row);
              open(paths.feature(id, layer, map.feature[row]!));
            }}
            onView={(view) => change({ view: encodeView(view) })}
          />
          {legend}
          <MapNote about={about} />
        </section>
        {panel ?? <section class="panel table-panel" aria-label="Features"><Waiting /></section>}
      </div>
      {below}
    </>
  );
}
