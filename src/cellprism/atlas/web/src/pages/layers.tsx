// All layers at once: a small map of each, coloured alike.
import { useMemo } from "preact/hooks";
import { LegendView } from "../components/legend";
import { MiniMap } from "../components/mini-map";
import { CsvButton, PythonCell, SvgButton } from "../components/take";
import type { FeatureMap } from "../data/columns";
import { loadMap, loadModules, loadNumbers } from "../data/store";
import type { LayerSummary, Module } from "../data/types";
import { count, number, title } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { useNear } from "../lib/near";
import { noneColour, pixel } from "../lib/palette";
import { layersCode } from "../lib/python";
import { paths, useQuery } from "../lib/route";
import { absence, useRun, useTitle, useWords, type Words } from "../lib/run";
import { mapBackground, useTheme } from "../lib/theme";
import { colouring, colouringBy, endsOf, groupColours, isKind, kinds, noGroup, type Ends, type Kind, type Legend } from "../map/colouring";
import { numberColumns, valuesOf, type NumberColumn } from "../map/numbers";

interface Data {
  map: FeatureMap;
  modules: Module[];
  values: Float32Array | Float64Array | null;
}

/** The map of a layer with what it is coloured by; an empty file of numbers where the layer has none. */
async function loadLayer(run: string, { layer, columns }: LayerSummary, column: NumberColumn | null, kind: Kind): Promise<Data> {
  const map = await loadMap(run, layer);
  const modules = kind === "module" && !column ? await loadModules(run, layer) : [];
  if (!column) return { map, modules, values: null };
  const values = column.value ? valuesOf(map, column) : columns.includes(column.key) ? await loadNumbers(run, layer, column.key) : new Float32Array(map.n).fill(NaN);
  return { map, modules, values };
}

interface CardProps {
  about: LayerSummary;
  words: Words;
  column: NumberColumn | null;
  kind: Kind;
  ends: Ends | undefined;
  query: Record<string, string>;
}

function Card({ about, words, column, kind, ends, query }: CardProps) {
  const { id } = useRun();
  const theme = useTheme();
  const [card, near] = useNear<HTMLAnchorElement>();
  const { layer } = about;
  const { value: data } = useLoad(`small ${id} ${layer} ${near} ${column?.key ?? kind}`, async () => (near ? loadLayer(id, about, column, kind) : null));
  const colour = useMemo(() => {
    if (!data) return new Uint32Array();
    return (column && data.values ? colouringBy(column, data.values, theme, ends) : colouring(kind, data.map, words, data.modules, theme)).colour;
  }, [data, words, theme, column, kind, ends]);
  const under = pixel(noneColour(theme));
  return (
    <a class="panel mini" href={`#${paths.layer(id, layer, query)}`} ref={card}>
      {data ? <MiniMap map={data.map} colour={colour} background={mapBackground(theme)} under={(i) => colour[i] === under} /> : <span class="mini-map" />}
      <span class="mini-name">
        <span class="strong">Layer {layer}</span>
        <span class="small muted num">{count(about.n_annotated)} of {count(about.n_alive)} annotated</span>
      </span>
    </a>
  );
}

/** One scale for all layers: the widest ends that any of them has. */
function useEnds(layers: LayerSummary[], column: NumberColumn | null): Ends | undefined {
  const { id } = useRun();
  return useLoad(`ends ${id} ${column?.key ?? ""}`, async () => {
    if (!column) return undefined;
    const ends = (await Promise.all(layers.map((about) => loadLayer(id, about, column, "group")))).map(({ values }) => endsOf(values!, column));
    return [Math.min(...ends.map(([low]) => low)), Math.max(...ends.map(([, high]) => high))] as Ends;
  }).value;
}

function Body({ words }: { words: Words }) {
  const { summary } = useRun();
  const theme = useTheme();
  const [query, change] = useQuery();
  const { groups, terms } = words;
  const asked = query["colour"] ?? "";
  const numbers = numberColumns.filter(({ key, value }) => value || summary.layers.some(({ columns }) => columns.includes(key)));
  const column = numbers.find(({ key }) => key === asked) ?? null;
  const kind: Kind = isKind(asked) ? asked : groups.value.length ? "group" : "module";
  const ends = useEnds(summary.layers, column);
  const legend = useMemo((): Legend | null => {
    if (column) return ends ? colouringBy(column, new Float32Array(1).fill(NaN), theme, ends).legend : null;
    if (kind === "group") {
      const hues = groupColours(groups, theme);
      const entries = groups.value.map((name, i) => ({ key: String(i), name, n: null, colour: hues[i]! }));
      entries.sort((a, b) => groups.n_cells[Number(b.key)]! - groups.n_cells[Number(a.key)]!);
      return { kind: "categories", entries: [...entries, { key: "none", name: noGroup, n: null, colour: noneColour(theme) }] };
    }
    return null;
  }, [column, ends, kind, groups, theme]);
  const said = column ? column.title.toLowerCase() : kinds[kind].toLowerCase();
  return (
    <section class="stack" aria-label="Maps of all layers">
      <div class="toolbar">
        <label class="inline">
          Colour by
          <select value={column?.key ?? kind} onChange={(event) => change({ colour: event.currentTarget.value })}>
            <optgroup label="Kinds">{Object.entries(kinds).map(([key, name]) => <option value={key}>{name}</option>)}</optgroup>
            <optgroup label="Numbers">{numbers.map(({ key, title }) => <option value={key}>{title}</option>)}</optgroup>
          </select>
        </label>
        <span class="push">
          <SvgButton name={["layers", column?.key ?? kind]} what="the maps" caption={`Features of each layer, coloured by ${said}${column && ends ? `, ${ends.map(number).join(" to ")}` : ""}.`} />
          <CsvButton name={["layers"]} what="the counts" header={["layer", "n_features", "n_alive", "n_annotated"]} rows={() => summary.layers.map((one) => [one.layer, one.n_features, one.n_alive, one.n_annotated])} />
        </span>
      </div>
      <ul class="cards minis">
        {summary.layers.map((about) => <li key={about.layer}><Card {...{ about, words, column, kind, ends }} query={asked ? { colour: asked } : {}} /></li>)}
      </ul>
      {legend && <LegendView legend={legend} />}
      {!column && kind === "module" && <p class="small muted">Colour: the ten largest modules of each layer; a colour means another module in another layer.</p>}
      {!column && kind === "source" && <p class="small muted">Colour: the library of the label, the commonest of each layer first ({[...new Set(terms.source)].map(title).join(", ")}).</p>}
      {!column && kind === "annotated" && <p class="small muted">Coloured dots have a label at q below the threshold, grey ones none.</p>}
      {column && <p class="small muted">All layers share one scale of {said}.</p>}
      <PythonCell code={layersCode(summary)} />
    </section>
  );
}

export default function LayersPage() {
  const { summary } = useRun();
  useTitle("Layers");
  const words = useWords();
  const embedded = !absence(summary, "embedding");
  return (
    <>
      <header class="page-head">
        <h1>Layers</h1>
        <p class="lede">Every dot is a feature{embedded ? "; near dots have similar atoms" : ""}. {absence(summary, "embedding")} Open a layer to filter, outline and read its features.</p>
      </header>
      <Load of={words}>{(words) => <Body words={words} />}</Load>
    </>
  );
}
