// How to read the numbers, and what the keys do.
import { Definitions } from "../components/definitions";
import { paths } from "../lib/route";
import { useRun, useTitle } from "../lib/run";

const keys: [where: string, what: [keys: string[], does: string][]][] = [
  ["Anywhere", [
    [["Tab"], "goes to the next link, button or field; the first one skips to the page"],
    [["?"], "opens this page"],
    [["g"], "opens the search for genes"],
    [["t"], "opens the search for gene sets"],
    [["Esc"], "closes a card or a list of suggestions"],
  ]],
  ["On a map", [
    [["←", "↑", "→", "↓"], "go to the nearest feature in that direction"],
    [["Enter"], "opens the feature"],
    [["+", "−"], "zoom"],
  ]],
  ["On a feature", [[["[", "]"], "go to the feature before and after"]]],
  ["In a search field", [
    [["↓", "↑"], "go through the suggestions"],
    [["Enter"], "takes the marked one, or what is typed"],
  ]],
  ["In a gene list", [[["Ctrl", "Enter"], "ranks the features"]]],
];

export default function HelpPage() {
  const { id } = useRun();
  useTitle("Help");
  return (
    <div class="prose-page">
      <header class="page-head"><h1>Help</h1><p class="lede">A feature is a direction in a layer of the model that few positions use at a time. This atlas says what each one does, how sure that is, and where every number comes from.</p></header>
      <section aria-labelledby="start">
        <h2 id="start">Where to begin</h2>
        <ul>
          <li>A gene you know: <a href={`#${paths.genes(id)}`}>Genes</a> shows the features that read it, layer by layer.</li>
          <li>Genes of an experiment: <a href={`#${paths.list(id)}`}>Gene list</a> ranks every feature by them, with a false discovery rate.</li>
          <li>A process or pathway: <a href={`#${paths.terms(id)}`}>Ontology</a>. A cell type, tissue or donor: <a href={`#${paths.groups(id)}`}>Cell types</a>.</li>
          <li>Nothing in particular: the stories on the <a href={`#${paths.overview(id)}`}>Overview</a> were found in this run.</li>
        </ul>
      </section>
      <section aria-labelledby="numbers">
        <h2 id="numbers">How to read a number</h2>
        <ul>
          <li>Click it: a card says which table and column it is from, the file's hash, the command and seed that made it, of how many, and its null. The <b>Source</b> button of a table says the same with the keyboard.</li>
          <li>A rate means something beside the same rate where there is nothing to find: the null. Where the two are close, the rate says little.</li>
          <li>q below 0.05 means that at most one in twenty of the things called found is expected to be chance; it is corrected over every test that could have been made. Grey numbers did not pass.</li>
          <li>A dash is a number that does not exist, never a zero.</li>
          <li>Every view is in its address: copy it to share it. Tables can be had as CSV and Parquet, pictures as SVG and PNG, and each view as Python that gives the same table.</li>
        </ul>
      </section>
      <section aria-labelledby="words"><h2 id="words">What the words mean</h2><Definitions /></section>
      <section aria-labelledby="keys">
        <h2 id="keys">Keys</h2>
        <div class="cards keys">
          {keys.map(([where, what]) => (
            <div class="panel" key={where}>
              <h3>{where}</h3>
              <dl>{what.map(([names, does]) => <div key={does}><dt>{names.map((name) => <kbd key={name}>{name}</kbd>)}</dt><dd>{does}</dd></div>)}</dl>
            </div>
          ))}
        </div>
      </section>
    </div>
  );
}
