// A layer as a card: a small map that links to the large one.
import { useMemo } from "preact/hooks";
import { loadMap } from "../data/store";
import type { Groups, LayerSummary } from "../data/types";
import { count } from "../lib/format";
import { useLoad } from "../lib/load";
import { useNear } from "../lib/near";
import { noneColour, pixel } from "../lib/palette";
import { paths } from "../lib/route";
import { useRun } from "../lib/run";
import { mapBackground, useTheme } from "../lib/theme";
import { groupColours, strongGroup } from "../map/colouring";
import { MiniMap } from "./mini-map";

export function LayerCard({ about, groups }: { about: LayerSummary; groups: Groups }) {
  const { id } = useRun();
  const theme = useTheme();
  const [card, near] = useNear<HTMLAnchorElement>();
  const { layer, n_annotated, n_alive } = about;
  const { value: map } = useLoad(`mini ${id} ${layer} ${near}`, async () => (near ? loadMap(id, layer) : null));
  const colour = useMemo(() => {
    const hues = groupColours(groups, theme);
    return Uint32Array.from({ length: map?.n ?? 0 }, (_, i) => pixel(hues[strongGroup(map!, i) ?? -1] ?? noneColour(theme)));
  }, [map, groups, theme]);
  return (
    <a class="panel mini" href={`#${paths.layer(id, layer)}`} ref={card}>
      {map
        ? <MiniMap map={map} colour={colour} background={mapBackground(theme)} under={(i) => strongGroup(map, i) === null} />
        : <span class="mini-map" />}
      <span class="mini-name">
        <span class="strong">Layer {layer}</span>
        <span class="small muted num">{count(n_annotated)} of {count(n_alive)} annotated</span>
      </span>
    </a>
  );
}
