// Which edges are shown: sliders over q, size and agreement, and what chance would give at these thresholds.
import { AGREEMENT, falseShare, G, Q, type Limits, type TraceEntry } from "../lib/circuits";
import { count, number, percent, plural, probability, share } from "../lib/format";
import type { Query } from "../lib/route";
import { From } from "./source";

interface Props {
  limits: Limits;
  traces: TraceEntry[];
  shown: number;
  all: number;
  change: (part: Query) => void;
}

const STEPS = 100;
const least = -5;
const most = Math.log10(Q);

export function LimitControls({ limits, traces, shown, all, change }: Props) {
  const chance = falseShare(traces, limits);
  const toQ = (step: number) => 10 ** (most + ((least - most) * step) / STEPS);
  const step = Math.round((STEPS * (Math.log10(limits.q) - most)) / (least - most));
  return (
    <div class="panel limits">
      <label>q at most <b class="num">{probability(limits.q)}</b>
        <input type="range" min={0} max={STEPS} value={step} aria-valuetext={probability(limits.q)} onInput={(event) => { const i = Number(event.currentTarget.value); change({ q: i ? toQ(i).toPrecision(2) : "" }); }} />
      </label>
      <label>|g| at least <b class="num">{limits.g.toFixed(2)}</b>
        <input type="range" min={G} max={3} step={0.05} value={limits.g} onInput={(event) => change({ g: Number(event.currentTarget.value) > G ? event.currentTarget.value : "" })} />
      </label>
      <label>Agreement at least <b class="num">{percent(limits.agreement, 0)}</b>
        <input type="range" min={AGREEMENT} max={1} step={0.01} value={limits.agreement} aria-valuetext={percent(limits.agreement, 0)} onInput={(event) => change({ agreement: Number(event.currentTarget.value) > AGREEMENT ? event.currentTarget.value : "" })} />
      </label>
      <label>Sign
        <select value={limits.sign} onChange={(event) => change({ sign: event.currentTarget.value })}>
          <option value="">supports or opposes</option><option value="supports">supports</option><option value="opposes">opposes</option>
        </select>
      </label>
      <label class="inline"><input type="checkbox" checked={limits.replicated} onChange={(event) => change({ replicated: event.currentTarget.checked ? "1" : "" })} /> in both halves of the cells</label>
      <p class="limits-note">
        <From of="edges.">{count(shown)}</From> of {count(all)} edges of this feature.
        {chance && (
          <span class="muted">
            {" "}In these traces {count(chance.edges)} effects reach |g| &gt; {chance.g} and agreement {chance.agreement < 1 ? `> ${chance.agreement}` : "of 1"}{chance.rule === "calibrated" ? " at q < 0.05" : ", whatever their q"};
            flipping the signs of cells gives {chance.null_mean ? <><From of="fdr.null_mean">{number(chance.null_mean)}</From> on average: <From of="fdr.fdr">{chance.fdr === null ? "—" : share(chance.fdr)}</From> of them would be chance</> : <>none in {plural(chance.n_permutations, "flip")}</>}. That share is of |g| and agreement alone: q, sign and halves choose edges without changing it.
          </span>
        )}
      </p>
    </div>
  );
}
