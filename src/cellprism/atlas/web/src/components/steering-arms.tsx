// The steered features of an arm together, less their controls: does the choice of features matter at all?
import { aligned, fixed, MISSING, number, plural, probability } from "../lib/format";
import { from } from "../lib/source";
import { ofSteering, type Arm, type Readout, type SteeredLayer } from "../lib/steering";
import { Forest } from "./forest";
import { StackedTable, type StackedCell } from "./stacked-table";
import { CsvButton, SvgButton } from "./take";

const ARM_COLUMNS = ["arm", "alpha", "readout", "against", "n_features", "chosen", "other", "difference", "low", "high", "p", "q"] as const;
const armName = (arm: string) => (arm === "on" ? "On-features" : "Off-features");

export function SteeringArms({ about: { layer, arms, algebraic }, readout, alpha }: { about: SteeredLayer; readout: Readout; alpha: number }) {
  const rows = arms.filter((arm) => arm.readout === readout.readout && arm.alpha === alpha);
  const within = ofSteering("steering_arms", layer);
  const cell = (column: keyof Arm, arm: Arm, text: string): StackedCell => [text, from(`steering_arms.${column}`, { within, n: plural(arm.n_features, "feature"), null: "signs of the differences flipped over features" })];
  const show = aligned(rows.flatMap((arm) => [arm.difference, arm.chosen, arm.other]));
  const against = (arm: Arm) => `less ${{ matched: "matched features", random: "random directions" }[arm.against] ?? arm.against}`;
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
          <div class="stack">
            <Forest
              none={0} label={caption} axis={`difference of effects, ${readout.unit}`} ends={["more towards early", "more towards late"]}
              rows={rows.map((arm, i) => ({
                key: `${arm.arm} ${arm.against}`, name: against(arm), heading: rows[i - 1]?.arm === arm.arm ? undefined : armName(arm.arm),
                value: arm.difference, low: arm.low, high: arm.high, sure: algebraic || (arm.q !== null && arm.q < 0.05), note: show(arm.difference),
                said: `${armName(arm.arm)} ${against(arm)}: ${number(arm.difference)}, interval ${number(arm.low)} to ${number(arm.high)}, q ${probability(arm.q)}`,
              }))}
            />
            <div>
              <StackedTable
                heads={[
                  { title: "Features" }, { title: "n", numeric: true, help: "features of the arm" }, { title: "Theirs", numeric: true, help: "mean effect of the features" },
                  { title: "Controls'", numeric: true, help: "mean effect of their controls" }, { title: "Difference", numeric: true }, { title: "q", numeric: true },
                ]}
                rows={rows.map((arm) => [
                  [<span>{armName(arm.arm)} <span class="small muted">{against(arm)}</span></span>], cell("n_features", arm, String(arm.n_features)), cell("chosen", arm, show(arm.chosen)),
                  cell("other", arm, show(arm.other)), cell("difference", arm, show(arm.difference)), cell("q", arm, arm.q === null ? MISSING : probability(arm.q)),
                ])}
              />
              {readout.span !== null && <p class="small muted table-note">The whole way from early to late cells is {fixed(readout.span, 3)} {readout.unit}.</p>}
            </div>
          </div>
        )}
    </section>
  );
}
