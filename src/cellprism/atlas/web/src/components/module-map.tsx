// The modules of a layer on its map: a hue for each of the largest, its name in the middle of its members.
import { useMemo } from "preact/hooks";
import type { FeatureMap } from "../data/columns";
import type { LayerSummary } from "../data/types";
import { clip, mapTerm } from "../lib/format";
import { noneColour, pixel } from "../lib/palette";
import { paths } from "../lib/route";
import { absence, useRun, written as told, type Words } from "../lib/run";
import { mapBackground, useTheme } from "../lib/theme";
import type { Colouring } from "../map/colouring";
import { median } from "../map/labels";
import { Icon } from "./icon";
import { MiniMap, type MapName } from "./mini-map";
import { SvgButton } from "./take";

const LONGEST = 34;

interface Props {
  map: FeatureMap;
  colours: Colouring;
  about: LayerSummary;
  words: Words;
}

export function ModuleMap({ map, colours, about, words }: Props) {
  const { id, summary } = useRun();
  const theme = useTheme();
  const { layer, names = [] } = about;
  const { colour, has, legend } = colours;
  const under = pixel(noneColour(theme));
  const written = useMemo((): MapName[] => {
    const entries = legend.kind === "categories" ? legend.entries.filter(({ key }) => key !== "none") : [];
    const modules = entries.map(({ key, name }): MapName => {
      const own = Array.from(map.module.keys()).filter(has!(key));
      return { text: clip(name, LONGEST), strong: true, x: median(own.map((i) => map.x[i]!)), y: median(own.map((i) => map.y[i]!)) };
    });
    return [...modules, ...names.map(([term, x, y]): MapName => ({ text: clip(mapTerm(words.terms.term[term] ?? ""), LONGEST), strong: false, x, y }))];
  }, [map, colours, names, words]);
  return (
    <figure class="panel module-map">
      <figcaption class="panel-head">
        <h2>Where they lie</h2>
        <span class="push"><SvgButton name={["modules", layer]} what="the map of modules" caption={`Modules of layer ${layer}: every dot is a feature in the colour of its module, grey in none.`} /></span>
        <a class="button" href={`#${paths.layer(id, layer, { colour: "module" })}`}>Explore them <Icon name="right" /></a>
      </figcaption>
      <MiniMap map={map} colour={colour} background={mapBackground(theme)} under={(i) => colour[i] === under} names={written} />
      <p class="small muted">Every dot is a feature in the colour of its module, grey in none; in bold the modules, in the middle of their members, and ringed those with {told(summary, layer)}. {absence(summary, "embedding") ?? "The map is of atoms, the modules of co-firing: they need not agree."}</p>
    </figure>
  );
}
