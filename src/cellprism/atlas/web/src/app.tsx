// The frame around every page: name, navigation, run, theme; and which page is shown.
import { useEffect } from "preact/hooks";
import { Redirect, Route, Router, Switch } from "wouter-preact";
import { Icon, Prism } from "./components/icon";
import { loadAtlas, loadGroups, loadSummary, loadTerms } from "./data/store";
import type { AtlasIndex, RunEntry } from "./data/types";
import { lazy, Load, Nothing, useLoad } from "./lib/load";
import { open, paths, useHashPath } from "./lib/route";
import { RunContext } from "./lib/run";
import { toggleTheme, useTheme } from "./lib/theme";

const Overview = lazy("overview", () => import("./pages/overview"));
const Layer = lazy("layer", () => import("./pages/layer"));
const Feature = lazy("feature", () => import("./pages/feature"));
const Genes = lazy("genes", () => import("./pages/genes"));
const GeneList = lazy("gene list", () => import("./pages/gene-list"));
const Modules = lazy("modules", () => import("./pages/modules"));
const Flow = lazy("flow", () => import("./pages/flow"));
const Methods = lazy("methods", () => import("./pages/methods"));

function Header({ atlas, entry, page }: { atlas: AtlasIndex; entry: RunEntry; page: string }) {
  const theme = useTheme();
  const links: [name: string, path: string, pages: string[]][] = [
    ["Overview", paths.overview(entry.id), [""]],
    ["Layers", paths.layer(entry.id, entry.layers[0] ?? 0), ["layer", "feature"]],
    ["Genes", paths.genes(entry.id), ["genes"]],
    ["Gene list", paths.list(entry.id), ["list"]],
    ["Modules", paths.modules(entry.id), ["modules"]],
    ["Flow", paths.flow(entry.id), ["flow"]],
    ["Methods", paths.methods(entry.id), ["methods"]],
  ];
  return (
    <header class="top">
      <a class="brand" href={`#${paths.overview(entry.id)}`}><Prism />cellprism</a>
      <nav aria-label="Pages">
        {links.map(([name, path, pages]) => <a href={`#${path}`} aria-current={pages.includes(page) ? "page" : undefined}>{name}</a>)}
      </nav>
      {atlas.runs.length > 1 && (
        <label class="inline run-switch">
          Run
          <select value={entry.id} onChange={(event) => open(paths.overview(event.currentTarget.value))}>
            {atlas.runs.map((run) => <option value={run.id}>{run.title}</option>)}
          </select>
        </label>
      )}
      <button type="button" class="round" aria-label={theme === "dark" ? "Use light colours" : "Use dark colours"} onClick={toggleTheme}>
        <Icon name={theme === "dark" ? "sun" : "moon"} />
      </button>
    </header>
  );
}

const NotFound = () => <Nothing title="No such page">The address does not name a page of this atlas. <a href="#/">Go to the overview.</a></Nothing>;

const whole = (text: string) => (/^\d+$/.test(text) ? Number(text) : -1);

function Pages({ atlas, entry }: { atlas: AtlasIndex; entry: RunEntry }) {
  const summary = useLoad(`summary ${entry.id}`, () => {
    // Every page needs the dictionaries next, so they come at the same time.
    void loadTerms(entry.id);
    void loadGroups(entry.id);
    return loadSummary(entry.id);
  });
  return (
    <Load of={summary}>
      {(summary) => (
        <RunContext.Provider value={{ id: entry.id, atlas, summary }}>
          <Switch>
            <Route path="/:run"><Overview /></Route>
            <Route path="/:run/layer/:layer">{({ layer }) => <Layer layer={whole(layer)} />}</Route>
            <Route path="/:run/feature/:layer/:feature">{({ layer, feature }) => <Feature layer={whole(layer)} feature={whole(feature)} />}</Route>
            <Route path="/:run/genes"><Genes /></Route>
            <Route path="/:run/list"><GeneList /></Route>
            <Route path="/:run/modules"><Modules /></Route>
            <Route path="/:run/flow"><Flow /></Route>
            <Route path="/:run/methods"><Methods /></Route>
            <Route><NotFound /></Route>
          </Switch>
        </RunContext.Provider>
      )}
    </Load>
  );
}

function Frame({ atlas }: { atlas: AtlasIndex }) {
  const [path] = useHashPath();
  useEffect(() => scrollTo(0, 0), [path]);
  const [, run = "", page = ""] = path.split("/");
  const first = atlas.runs[0];
  if (!first) return <main class="page"><div class="note"><h1>An empty atlas</h1><p>atlas.json lists no runs.</p></div></main>;
  if (!run) return <Redirect to={paths.overview(first.id)} replace />;
  const entry = atlas.runs.find((other) => other.id === decodeURIComponent(run));
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the page</a>
      <Header atlas={atlas} entry={entry ?? first} page={page} />
      <main class="page" id="main" tabIndex={-1}>{entry ? <Pages atlas={atlas} entry={entry} /> : <NotFound />}</main>
      <footer class="foot small muted">{atlas.generator} · atlas format {atlas.format} · this page asks no other server for anything</footer>
    </>
  );
}

export function App() {
  const atlas = useLoad("atlas", loadAtlas);
  return <Router hook={useHashPath}><Load of={atlas}>{(atlas) => <Frame atlas={atlas} />}</Load></Router>;
}
