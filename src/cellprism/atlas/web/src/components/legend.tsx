// What the colours mean. Entries of a category are buttons that pick it out.
import type { Legend } from "../map/colouring";
import { count } from "../lib/format";

const SHOWN = 12;

interface Props {
  legend: Legend;
  picked?: string | undefined;
  onPick?: (key: string) => void;
}

export function LegendView({ legend, picked, onPick }: Props) {
  if (legend.kind === "numbers") {
    return (
      <div class="legend legend-numbers">
        <div class="scale" style={{ background: `linear-gradient(to right, ${legend.stops.join(",")})` }} />
        <div class="ticks">{legend.ticks.map((tick) => <span>{tick}</span>)}</div>
        <p class="small muted">
          {legend.unit}
          {legend.none && <><i class="swatch swatch-none" />{legend.none}</>}
        </p>
      </div>
    );
  }
  const shown = legend.entries.filter((entry, i) => i < SHOWN || entry.key === "none" || entry.key === picked);
  const left = legend.entries.length - shown.length;
  return (
    <ul class="legend">
      {shown.map(({ key, name, colour, n }) => {
        const inside = <><i class="swatch" style={{ background: colour }} /><span class="name">{name}</span>{n !== null && <span class="muted num">{count(n)}</span>}</>;
        return (
          <li key={key}>
            {onPick
              ? <button type="button" class="chip" aria-pressed={picked === key} onClick={() => onPick(picked === key ? "" : key)}>{inside}</button>
              : <span class="chip">{inside}</span>}
          </li>
        );
      })}
      {left > 0 && <li class="small muted">and {left} smaller, in grey</li>}
    </ul>
  );
}
