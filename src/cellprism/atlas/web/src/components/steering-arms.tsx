// The steered features of an arm together, less their controls: does the choice of features matter at all?
import { fixed, MISSING, number, plural, probability, signed } from "../lib/format";
import { from } from "../lib/source";
import { ofSteering, type Arm, type Readout, type SteeredLayer } from "../lib/steering";
import { Forest } from "./forest";
import { CsvButton, SvgButton } from "./take";

const ARM_COLUMNS = ["arm", "alpha", "readout", "against", "n_features", "chosen", "other", "difference", "low", "high", "p", "q"] as const;
const armName = (arm: string) => (arm === "on" ? "On-features" : "Off-features");

export function SteeringArms({ about: { layer, arms, algebraic }, readout, alpha }: { about: SteeredLayer; readout: Readout; alpha: number }) {
  const rows = arms.filter((arm) => arm.readout === readout.readout && arm.alpha === alpha);
  const within = ofSteering("steering_arms", layer);
  const cell = (column: keyof Arm, arm: Arm, text: string) => <td class="num" {...from(`steering_arms.${column}`, { within, n: plural(arm.n_features, "feature"), null: "signs of the differences flipped over features" })}>{text}</td>;
  const caption = `Steered features of layer ${layer} less their controls: ${readout.readout}, activation times ${alpha}, with 95 % intervals over features.`;
  return (
    <section class="panel" aria-labelledby="arms" data-testid="arms">
      <div class="panel-head">
        <div><h2 id="arms">All of them together, less their controls</h2><p class="muted">the feature is the unit: each less its own control</p></div>
        {rows.length > 0 && (
          <span class="chips">
            <SvgButton name={["steering", layer, "arms"]} what="the arms" caption={caption} />
            <CsvButton name={["steering", layer, "arms"]} what="the arms" of={{ table: "steering_arms", within }} header={[...ARM_COLUMNS]} rows={() => arms.map((arm) => ARM_COLUMNS.map((column) => arm[column]))} />
          </span>
        )}
      </div>
      {rows.length === 0
        ? <p class="empty">No arm had enough features with controls to be compared at this strength.</p>
        : (
          <div class="two">
            <Forest
              none={0} label={caption} axis={`difference of effects, ${readout.unit}`} ends={["more towards early", "more towards late"]}
              rows={rows.map((arm, i) => ({
                key: `${arm.arm} ${arm.against}`, name: `less ${arm.against}`, heading: rows[i - 1]?.arm === arm.arm ? undefined : armName(arm.arm),
                value: arm.difference, low: arm.low, high: arm.high, sure: algebraic || (arm.q !== null && arm.q < 0.05), note: signed(number(arm.difference), arm.difference),
                said: `${armName(arm.arm)} less ${arm.against}: ${number(arm.difference)}, interval ${number(arm.low)} to ${number(arm.high)}, q ${probability(arm.q)}`,
              }))}
            />
            <div class="scroll-x" tabIndex={0} role="region" aria-label="Arms as a table">
              <table>
                <thead><tr><th scope="col">Features</th><th scope="col" class="num" title="features of the arm">n</th><th scope="col" class="num" title="mean effect of the features">Theirs</th><th scope="col" class="num" title="mean effect of their controls">Controls'</th><th scope="col" class="num">Difference</th><th scope="col" class="num">q</th></tr></thead>
                <tbody>
                  {rows.map((arm) => (
                    <tr>
                      <th scope="row">{armName(arm.arm)} <span class="small muted">less {arm.against}</span></th>
                      {cell("n_features", arm, String(arm.n_features))}{cell("chosen", arm, number(arm.chosen))}{cell("other", arm, number(arm.other))}
                      {cell("difference", arm, signed(number(arm.difference), arm.difference))}{cell("q", arm, arm.q === null ? MISSING : probability(arm.q))}
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
