// The modules of a layer: features that fire together, named by a test.
import { LayerTabs } from "../components/layer-tabs";
import { From } from "../components/source";
import { CsvButton, PythonCell } from "../components/take";
import { ModuleMap } from "../components/module-map";
import { loadMini, loadModules } from "../data/store";
import type { Module } from "../data/types";
import { count, fixed, plural, probability, shortTerm } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { modulesCode } from "../lib/python";
import { paths, useQuery } from "../lib/route";
import { absence, useRun, useTitle, useWords, type Words } from "../lib/run";
import { useTheme } from "../lib/theme";
import { colouring } from "../map/colouring";

const MEMBERS = 14;
const CARDS = 60;

function ModuleCard({ module, layer, words, largest, colour }: { module: Module; layer: number; words: Words; largest: number; colour: string | undefined }) {
  const { id, summary } = useRun();
  const { features, n_features, term } = module;
  const untested = absence(summary, "module_terms");
  const map = paths.layer(id, layer, { colour: "module", pick: String(module.module) });
  return (
    <article class="panel module">
      <p class="small muted module-number"><i class="swatch" style={{ background: colour }} /> Module {module.module}</p>
      <h2>{term === null ? (untested ? "Not named" : "No term is over-represented") : shortTerm(words.terms.term[term] ?? "")}</h2>
      <p class="small muted">
        {term === null
          ? untested ?? "among its members, against the other features of the layer"
          : <>{words.terms.source[term]}, {count(module.n_members_with_term)} of {plural(n_features, "member")}, q <From of="modules.q">{probability(module.q)}</From></>}
      </p>
      <span class="bar" aria-hidden="true"><i style={{ width: `${(100 * n_features) / largest}%`, background: colour }} /></span>
      <p class="facts small">
        <span><From of="modules.n_features">{count(n_features)}</From> features</span>
        {module.n_edges !== null && <span><From of="modules.n_edges">{count(module.n_edges)}</From> pairs inside</span>}
        {module.stability !== null && <span>stability <From of="modules.stability">{fixed(module.stability)}</From></span>}
      </p>
      <p class="chips">
        {features.slice(0, MEMBERS).map((feature) => <a class="chip num" href={`#${paths.feature(id, layer, feature)}`}>{feature}</a>)}
        <a class="chip" href={`#${map}`}>{n_features > MEMBERS ? `all ${count(n_features)} on the map` : "on the map"}</a>
      </p>
    </article>
  );
}

export default function ModulesPage() {
  const { id, summary } = useRun();
  const [query] = useQuery();
  const layers = summary.layers.map((layer) => layer.layer);
  const asked = query["layer"];
  const layer = asked !== undefined && layers.includes(Number(asked)) ? Number(asked) : layers[0] ?? 0;
  useTitle(`Modules of layer ${layer}`);
  const words = useWords();
  const theme = useTheme();
  const modules = useLoad(`modules ${id} ${layer}`, async () => {
    const [all, map] = await Promise.all([loadModules(id, layer), loadMini(id, layer)]);
    return { all, map };
  });
  return (
    <>
      <header class="page-head row">
        <h1>Modules</h1>
        <LayerTabs layers={layers} current={layer} href={(other) => paths.modules(id, other)} />
      </header>
      <p class="lede">Communities of features of layer {layer} that fire at the same positions more often than chance. Stability is the overlap with the most similar module under other seeds, 1 at most.</p>
      <Load of={words}>
        {(words) => (
          <Load of={modules}>
            {({ all, map }) => {
              const colours = colouring("module", map, words, all, theme);
              const hue = new Map(colours.legend.kind === "categories" ? colours.legend.entries.map(({ key, colour }) => [key, colour]) : []);
              const own = [...all].sort((a, b) => b.n_features - a.n_features);
              const largest = own[0]?.n_features ?? 1;
              return own.length === 0
                ? <p class="note">No pair of features of layer {layer} fires together often enough to form a module.</p>
                : (
                  <div class="stack" data-layer={layer}>
                    <CsvButton
                      name={["modules", layer]} what="the modules" of={{ table: "modules", layer }} header={["layer", "module", "n_features", "n_edges", "stability", "source", "term", "n_members_with_term", "p", "q"]}
                      rows={() => own.map((m) => [layer, m.module, m.n_features, m.n_edges, m.stability, words.terms.source[m.term ?? -1], words.terms.term[m.term ?? -1], m.n_members_with_term, m.p, m.q])}
                    />
                    <div class="modules-beside">
                    <ModuleMap {...{ map, colours, words }} about={summary.layers.find((other) => other.layer === layer)!} />
                    <div class="cards modules">{own.slice(0, CARDS).map((module) => <ModuleCard key={module.module} {...{ module, layer, words, largest }} colour={hue.get(String(module.module))} />)}</div>
                    </div>
                    {own.length > CARDS && <p class="muted">and {count(own.length - CARDS)} smaller ones, in the table</p>}
                    <PythonCell code={modulesCode(summary, layer)} />
                  </div>
                );
            }}
          </Load>
        )}
      </Load>
    </>
  );
}
