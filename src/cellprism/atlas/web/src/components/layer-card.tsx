// A layer as a card: a small map that links to the large one.
import { useMemo } from "preact/hooks";
import { loadMini } from "../data/store";
import type { LayerSummary } from "../data/types";
import { count } from "../lib/format";
import { useLoad } from "../lib/load";
import { useNear } from "../lib/near";
import { noneColour, pixel } from "../lib/palette";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { mapBackground, useTheme } from "../lib/theme";
import { colouring } from "../map/colouring";
import { MiniMap } from "./mini-map";

export function LayerCard({ about, words }: { about: LayerSummary; words: Words }) {
  const { id } = useRun();
  const theme = useTheme();
  const [card, near] = useNear<HTMLAnchorElement>();
  const { layer, n_annotated, n_alive } = about;
  const mode = words.groups.value.length ? "group" : "module";
  const { value: map } = useLoad(`mini ${id} ${layer} ${near}`, async () => (near ? loadMini(id, layer) : null));
  const colour = useMemo(() => {
    return map ? colouring(mode, map, words, [], theme).colour : new Uint32Array();
  }, [map, words, theme]);
  const under = pixel(noneColour(theme));
  return (
    <a class="panel mini" href={`#${paths.layer(id, layer)}`} ref={card}>
      {map
        ? <MiniMap map={map} colour={colour} background={mapBackground(theme)} under={(i) => colour[i] === under} />
        : <span class="mini-map" />}
      <span class="mini-name">
        <span class="strong">Layer {layer}</span>
        <span class="small muted num">{count(n_annotated)} of {count(n_alive)} annotated</span>
      </span>
    </a>
  );
}
