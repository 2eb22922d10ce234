// What is lost without a feature: hidden genes of its term, more than the sum of parts, and guesses.
import type { ComponentChildren } from "preact";
import { AsPatched } from "../components/as-published";
import { Damage } from "../components/damage";
import { Patching } from "../components/patching";
import { PythonCell } from "../components/take";
import { Together } from "../components/together";
import { loadAblations, whyEmpty, type Ablations, type Part } from "../lib/ablation";
import { Load, useLoad } from "../lib/load";
import { ablationCode } from "../lib/python";
import { useQuery } from "../lib/route";
import { useRun, useTitle, useWords, type Words } from "../lib/run";

const PARTS: [part: Part, title: string, about: string][] = [
  ["patching", "Does a feature carry its term?", "genes of its term that are not its top genes are hidden, and the feature is taken away: does the model expect them less?"],
  ["combinations", "Do features act together?", "taken away together and alone: is the effect together the sum?"],
  ["damage", "How much is lost?", "hidden genes of any kind are guessed without a feature"],
];

function Empty({ part, all }: { part: Part; all: Ablations }) {
  const { why, command } = whyEmpty(useRun().summary, part, all);
  return <p class="note">{why}{command && <> Make it with <code>{command}</code>, then export the run again.</>}</p>;
}

function Body({ all, words }: { all: Ablations; words: Words }) {
  const { summary } = useRun();
  const [query] = useQuery();
  const inner: Record<Part, () => ComponentChildren> = {
    patching: () => <Patching all={all.patching} />,
    combinations: () => <Together all={all.combinations} words={words} />,
    damage: () => <Damage all={all.damage} words={words} />,
  };
  return (
    <>
      {PARTS.map(([part, title, about]) => (
        <section key={part} aria-labelledby={part} class="stack">
          <div class="section-head"><h2 id={part}>{title}</h2><p class="muted">{about}</p></div>
          {all[part].length ? inner[part]() : <Empty part={part} all={all} />}
          {part === "patching" && all.published && <AsPatched of={all.published} />}
        </section>
      ))}
      {PARTS.some(([part]) => all[part].length) && <PythonCell code={ablationCode(summary, all, query)} />}
    </>
  );
}

export default function AblationPage() {
  const { id, summary } = useRun();
  useTitle("Ablation");
  const words = useWords();
  const all = useLoad(`ablations ${id}`, () => loadAblations(id, summary));
  return (
    <>
      <header class="page-head">
        <h1>Ablation</h1>
        <p class="lede">What is lost without a feature? Its part is taken out of the residual wherever it fires; what the autoencoder does not explain stays, and the rest of the model runs on.</p>
      </header>
      <Load of={words}>{(words) => <Load of={all}>{(all) => <Body all={all} words={words} />}</Load>}</Load>
    </>
  );
}
