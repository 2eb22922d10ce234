// One steered feature: its effect against the strength of the push, and the genes that change most.
import { count, fixed, number, plural, signed } from "../lib/format";
import { featureName } from "../lib/feature-name";
import { Load, useLoad } from "../lib/load";
import { paths } from "../lib/route";
import { useRun, type Words } from "../lib/run";
import { from } from "../lib/source";
import { loadGeneChanges, ofSteering, type GeneChanges, type Readout, type Steered, type SteeredLayer } from "../lib/steering";
import { DoseChart } from "./dose-chart";
import { CsvButton, SvgButton } from "./take";

interface Props {
  about: SteeredLayer;
  readout: Readout;
  alpha: number;
  one: Steered;
  words: Words;
}

const SHOWN = 12;

function Genes({ changes, about, alpha, one }: Pick<Props, "about" | "alpha" | "one"> & { changes: GeneChanges[] }) {
  const { id } = useRun();
  const own = changes.find(([i]) => about.alphas[i] === alpha) ?? changes.at(-1);
  const within = ofSteering("steering_genes", about.layer);
  if (!own) return <p class="empty">Genes were not read for this feature.</p>;
  const top = Math.max(...[...own[1], ...own[2]].map(([, change]) => Math.abs(change)), 1e-12);
  const list = (heading: string, rows: [string, number][], tone: string) => (
    <table class={`bars change-${tone}`}>
      <thead><tr><th scope="col">{heading}</th><th scope="col" class="wide"><span class="sr">As a bar</span></th><th scope="col" class="num">Change</th></tr></thead>
      <tbody>
        {rows.slice(0, SHOWN).map(([gene, change]) => (
          <tr key={gene}>
            <th scope="row" class="gene"><a href={`#${paths.genes(id, gene)}`}>{gene}</a></th>
            <td class="wide"><span class="bar" aria-hidden="true"><i style={{ width: `${(100 * Math.abs(change)) / top}%` }} /></span></td>
            <td class="num" {...from("steering_genes.change", { within })}>{signed(number(change), change)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
  const csv = () => changes.flatMap(([i, up, down]) => [...up, ...down].map(([gene, change]) => [one.feature, about.alphas[i], gene, change]));
  return (
    <>
      <div class="panel-head"><h3>Genes that change most</h3><CsvButton name={["steering", about.layer, one.feature, "genes"]} what="the genes" of={{ table: "steering_genes", within }} header={["feature", "alpha", "gene", "change"]} rows={csv} /></div>
      <div class="halves gene-changes">{list("Rises", own[1], "up")}{list("Falls", own[2], "down")}</div>
      <p class="small muted table-note">Mean change of a gene's logit, or predicted value, over cells and gene positions, activation times {about.alphas[own[0]]}.</p>
    </>
  );
}

export function SteeringFeature({ about, readout, alpha, one, words }: Props) {
  const { id } = useRun();
  const { layer } = about;
  const changes = useLoad(`genes ${id} ${layer} ${one.feature}`, () => loadGeneChanges(id, layer, one.feature));
  const tone = one.arm === "on" ? "blue" : "vermilion";
  const name = featureName(words, one);
  const within = ofSteering("steering", layer);
  const caption = `${readout.readout} against the strength at which feature ${one.feature} of layer ${layer} (${name}) is pushed, ${plural(one.nCells ?? 0, "early cell")}, 95 % intervals over cells.`;
  const series = [
    { name: "atom", doses: one.atom }, ...(one.matched ? [{ name: `matched ${one.matched.feature}`, doses: one.matched.atom }] : []), { name: "random", doses: one.random },
  ];
  const csv = () => series.flatMap(({ name, doses }) => about.alphas.map((a, i) => [one.feature, name, a, readout.readout, ...(doses[i] ?? [null, null, null, null, null, null])]));
  return (
    <section class="panel" aria-labelledby="one" data-testid="steered-feature">
      <div class="section-head">
        <h2 id="one"><a href={`#${paths.feature(id, layer, one.feature)}`}><span class="num">{layer}·{one.feature}</span> {name}</a></h2>
        <p class="muted">
          {one.arm === "on" ? "rises" : "falls"} along the ordering{one.how && <>: Hedges' g <span class="num" {...from("switches.g", { within: ofSteering("switches", layer), null: "Wilcoxon rank-sum over cells" })}>{signed(fixed(one.how[3]), one.how[3])}</span></>}
          {" · "}steered in <span class="num" {...from("steering.n_cells", { within })}>{count(one.nCells)}</span> early cells
          {one.matched && <> · control <a href={`#${paths.feature(id, layer, one.matched.feature)}`}>{layer}·{one.matched.feature}</a>, as frequent, does not switch</>}
        </p>
      </div>
      <div class="two">
        <figure data-testid="dose">
          <div class="panel-head">
            <h3>Effect by strength</h3>
            <span class="chips">
              <SvgButton name={["steering", layer, one.feature, "dose"]} what="the dose-response" caption={caption} />
              <CsvButton name={["steering", layer, one.feature, "dose"]} what="the dose-response" of={{ table: "steering", within }} header={["feature", "direction", "alpha", "readout", "effect", "low", "high", "positive", "p", "q"]} rows={csv} />
            </span>
          </div>
          <DoseChart
            label={caption} axis={`${readout.readout}, ${readout.unit}`} alphas={about.alphas}
            series={[{ kind: "own", tone, doses: one.atom }, ...(one.matched ? [{ kind: "matched" as const, tone: "blue" as const, doses: one.matched.atom }] : []), { kind: "random", tone: "blue", doses: one.random }]}
          />
          <SteeringKey tone={tone} matched={one.matched !== null} />
        </figure>
        <div><Load of={changes}>{(changes) => <Genes {...{ changes, about, alpha, one }} />}</Load></div>
      </div>
    </section>
  );
}

/** What the marks of these charts are. */
export function SteeringKey({ tone, matched = true }: { tone?: "blue" | "vermilion"; matched?: boolean }) {
  return (
    <p class="chart-key small muted">
      {(!tone || tone === "blue") && <span><i class="key-mark blue" /> on-feature</span>}
      {(!tone || tone === "vermilion") && <span><i class="key-mark vermilion" /> off-feature</span>}
      {!tone && <span><i class="key-mark open" /> hollow: q ≥ 0.05</span>}
      {matched && <span><i class="key-mark matched" /> its matched feature</span>}
      <span><i class="key-mark random" /> its random direction</span>
    </p>
  );
}
