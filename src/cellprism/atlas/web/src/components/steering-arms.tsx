// The steered features of an arm together, less their controls: does the choice of features matter at all?
import { fixed, MISSING, number, plural, probability, signed, tick } from "../lib/format";
import { useRun } from "../lib/run";
import { from } from "../lib/source";
import { ofSteering, type Arm, type Readout, type SteeredLayer } from "../lib/steering";
import { Forest } from "./forest";
import { CsvButton, SvgButton } from "./take";

interface Props {
  about: SteeredLayer;
  readout: Readout;
  alpha: number;
}

export const armName = (arm: string) => (arm === "on" ? "On-features" : "Off-features");

export function SteeringArms({ about, readout, alpha }: Props) {
  const { summary } = useRun();
  const { layer } = about;
  const rows = about.arms.filter((arm) => arm.readout === readout.readout && arm.alpha === alpha);
  const within = ofSteering("steering_arms", layer);
  const source = (column: string, arm: Arm) => from(`steering_arms.${column}`, { within, n: plural(arm.n_features, "feature"), null: "signs of the differences flipped over features" });
  const caption = `Steered features of layer ${layer} less their controls: ${readout.readout}, activation times ${number(alpha)}, with 95 % intervals over features.`;
  const header = ["arm", "alpha", "readout", "against", "n_features", "chosen", "other", "difference", "low", "high", "p", "q"];
  const csv = () => about.arms.map((arm) => [arm.arm, arm.alpha, arm.readout, arm.against, arm.n_features, arm.chosen, arm.other, arm.difference, arm.low, arm.high, arm.p, arm.q]);
  return (
    <section class="panel" aria-labelledby="arms" data-testid="arms">
      <div class="panel-head">
        <div><h2 id="arms">All of them together, less their controls</h2><p class="muted">the feature is the unit: each less its own control</p></div>
        {rows.length > 0 && (
          <span class="chips">
            <SvgButton name={["steering", layer, "arms"]} what="the arms" caption={caption} />
            <CsvButton name={["steering", layer, "arms"]} what="the arms" of={{ table: "steering_arms", within }} header={header} rows={csv} />
          </span>
        )}
      </div>
      {rows.length === 0
        ? <p class="empty">No arm had enough features with controls to be compared at this strength in run “{summary.title}”.</p>
        : (
          <div class="two">
            <Forest
              label={caption} axis={`difference of effects, ${readout.unit}`} show={tick} whole={readout.span} wholeAxis="share of the whole way from early to late"
              groups={(["on", "off"] as const).map((name) => ({
                title: armName(name), tone: name === "on" ? "blue" : "vermilion", side: 0,
                rows: rows.filter((arm) => arm.arm === name).map((arm) => ({
                  key: arm.against, name: `less ${arm.against}`, text: signed(number(arm.difference), arm.difference),
                  marks: [{ value: arm.difference, low: arm.low, high: arm.high, kind: "own", sure: arm.q !== null && arm.q < 0.05 }],
                  spoken: `${number(arm.difference)}, interval ${number(arm.low)} to ${number(arm.high)}, q ${probability(arm.q)}`,
                })),
              }))}
            />
            <div class="scroll-x" tabIndex={0} role="region" aria-label="Arms as a table">
              <table>
                <thead><tr><th scope="col">Features</th><th scope="col" class="num" title="features of the arm">n</th><th scope="col" class="num" title="mean effect of the features">Theirs</th><th scope="col" class="num" title="mean effect of their controls">Controls'</th><th scope="col" class="num">Difference</th><th scope="col" class="num">q</th></tr></thead>
                <tbody>
                  {rows.map((arm) => (
                    <tr key={`${arm.arm} ${arm.against}`} class={about.algebraic || (arm.q !== null && arm.q < 0.05) ? "" : "unsure"}>
                      <th scope="row">{armName(arm.arm)} <span class="small muted">less {arm.against}</span></th>
                      <td class="num" {...source("n_features", arm)}>{arm.n_features}</td>
                      <td class="num" {...source("chosen", arm)}>{number(arm.chosen)}</td>
                      <td class="num" {...source("other", arm)}>{number(arm.other)}</td>
                      <td class="num strong" {...source("difference", arm)}>{signed(number(arm.difference), arm.difference)}</td>
                      <td class="num" {...source("q", arm)}>{arm.q === null ? <span class="muted" title="algebraic: no test">{MISSING}</span> : probability(arm.q)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {readout.span !== null && <p class="small muted table-note">The whole way from early to late cells is {fixed(readout.span, 3)} {readout.unit}.</p>}
            </div>
          </div>
        )}
    </section>
  );
}
