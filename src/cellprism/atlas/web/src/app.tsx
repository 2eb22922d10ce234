// The frame around every page: name, navigation, run, theme; and which page is shown.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Icon, Prism } from "./components/icon";
import { Sources } from "./components/source";
import { loadAtlas, loadGroups, loadSummary, loadTerms } from "./data/store";
import type { AtlasIndex, RunEntry } from "./data/types";
import { lazy, Load, Nothing, useLoad } from "./lib/load";
import { hashPath, open, paths, useHashPath } from "./lib/route";
import { RunContext } from "./lib/run";
import { toggleTheme, useTheme } from "./lib/theme";

/** Code of the pages that are opened from elsewhere most, by the part of the address that names them. */
const code = {
  "": () => import("./pages/overview"),
  layer: () => import("./pages/layer"),
  feature: () => import("./pages/feature"),
  genes: () => import("./pages/genes"),
};

/** Files that a page needs whatever the others say, asked for before those have come. */
function begin(run: string, page: string): void {
  for (const load of [loadSummary, loadTerms, loadGroups]) load(run).catch(() => undefined); // whoever needs it says so
  if (Object.hasOwn(code, page)) code[page as keyof typeof code]().catch(() => undefined);
}

const Layer = lazy("layer", code.layer);
const Feature = lazy("feature", code.feature);

/** The pages whose address has nothing after their name. */
const plain: Record<string, ComponentType> = {
  "": lazy("overview", code[""]),
  layers: lazy("layers", () => import("./pages/layers")),
  genes: lazy("genes", code.genes),
  list: lazy("gene list", () => import("./pages/gene-list")),
  modules: lazy("modules", () => import("./pages/modules")),
  flow: lazy("flow", () => import("./pages/flow")),
  circuits: lazy("circuits", async () => ({ default: (await import("./pages/results")).Circuits })),
  ablation: lazy("ablation", async () => ({ default: (await import("./pages/results")).Ablation })),
  steering: lazy("steering", async () => ({ default: (await import("./pages/results")).Steering })),
  regulation: lazy("regulation", async () => ({ default: (await import("./pages/results")).Regulation })),
  compare: lazy("compare", () => import("./pages/compare")),
  ontology: lazy("ontology", async () => ({ default: (await import("./pages/groups")).Ontology })),
  cells: lazy("cells", async () => ({ default: (await import("./pages/groups")).Cells })),
  data: lazy("data", async () => ({ default: (await import("./pages/about")).Data })),
  help: lazy("help", async () => ({ default: (await import("./pages/about")).Help })),
  methods: lazy("methods", async () => ({ default: (await import("./pages/about")).Methods })),
};

const pagesOf = (run: string): [heading: string, links: [name: string, path: string, pages: string[]][]][] => [
  ["", [
    ["Overview", paths.overview(run), [""]],
    ["Layers", paths.layers(run), ["layers", "layer", "feature"]],
  ]],
  ["Find", [
    ["Genes", paths.genes(run), ["genes"]],
    ["Gene list", paths.list(run), ["list"]],
    ["Ontology", paths.terms(run), ["ontology"]],
    ["Cell types", paths.groups(run), ["cells"]],
  ]],
  ["Structure", [
    ["Modules", paths.modules(run), ["modules"]],
    ["Flow", paths.flow(run), ["flow"]],
    ["Circuits", paths.circuits(run), ["circuits"]],
    ["Ablation", paths.ablation(run), ["ablation"]],
    ["Steering", paths.steering(run), ["steering"]],
    ["Regulation", paths.regulation(run), ["regulation"]],
    ["Compare", paths.compare(run), ["compare"]],
  ]],
  ["About", [
    ["Data", paths.data(run), ["data"]],
    ["Methods", paths.methods(run), ["methods"]],
    ["Help", paths.help(run), ["help"]],
  ]],
];

/** Name, run and pages: a column beside the page, on a narrow screen a bar above it with the pages behind a button. */
function Header({ atlas, entry, page }: { atlas: AtlasIndex; entry: RunEntry; page: string }) {
  const theme = useTheme();
  const [shown, setShown] = useState(false);
  useEffect(() => setShown(false), [page, entry.id]);
  return (
    <header class={`top ${shown ? "shown" : ""}`} onKeyDown={(event) => event.key === "Escape" && setShown(false)}>
      <a class="brand" href={`#${paths.overview(entry.id)}`}><Prism />cellprism</a>
      {atlas.runs.length > 1 && (
        <label class="run-switch">
          <span class="small muted">Run</span>
          <select aria-label="Run" value={entry.id} onChange={(event) => open(paths.overview(event.currentTarget.value))}>
            {atlas.runs.map((run) => <option value={run.id}>{run.title}</option>)}
          </select>
        </label>
      )}
      <button type="button" class="round" aria-label={theme === "dark" ? "Use light colours" : "Use dark colours"} onClick={toggleTheme}>
        <Icon name={theme === "dark" ? "sun" : "moon"} />
      </button>
      <button type="button" class="button menu" aria-expanded={shown} aria-controls="pages" onClick={() => setShown(!shown)}>
        <Icon name={shown ? "close" : "menu"} /> Pages
      </button>
      <nav aria-label="Pages" id="pages">
        {pagesOf(entry.id).map(([heading, links]) => (
          <section key={heading}>
            {heading && <p class="nav-heading">{heading}</p>}
            {links.map(([name, path, pages]) => <a href={`#${path}`} aria-current={pages.includes(page) ? "page" : undefined} onClick={() => setShown(false)}>{name}</a>)}
          </section>
        ))}
      </nav>
    </header>
  );
}

const NotFound = () => <Nothing title="No such page">The address does not name a page of this atlas. <a href="#/">Go to the overview.</a></Nothing>;

const whole = (text: string) => (/^\d+$/.test(text) ? Number(text) : -1);

/** The page of an address; what is after its name are numbers. */
function Page({ path }: { path: string }) {
  const [page = "", ...rest] = path.replace(/\/$/, "").split("/").slice(2);
  const [layer = -1, feature = -1] = rest.map(whole);
  if (page === "layer" && rest.length === 1) return <Layer layer={layer} />;
  if (page === "feature" && rest.length === 2) return <Feature layer={layer} feature={feature} />;
  const Plain = (!rest.length && Object.hasOwn(plain, page) && plain[page]) || NotFound;
  return <Plain />;
}

function Pages({ atlas, entry, page, path }: { atlas: AtlasIndex; entry: RunEntry; page: string; path: string }) {
  const summary = useLoad(`summary ${entry.id}`, () => {
    begin(entry.id, page);
    return loadSummary(entry.id);
  });
  return (
    <Load of={summary}>
      {(summary) => (
        <RunContext.Provider value={{ id: entry.id, atlas, summary }}>
          <Sources><Page path={path} /></Sources>
        </RunContext.Provider>
      )}
    </Load>
  );
}

/** Keys that work on every page, as long as nothing is being typed. */
function useKeys(run: string): void {
  useEffect(() => {
    const targets: Record<string, string> = { "?": paths.help(run), g: paths.genes(run), t: paths.terms(run) };
    const keyboard = (event: KeyboardEvent) => {
      const target = targets[event.key];
      if (!target || event.altKey || event.ctrlKey || event.metaKey || (event.target as Element).closest("input, textarea, select")) return;
      event.preventDefault();
      open(target);
    };
    addEventListener("keydown", keyboard);
    return () => removeEventListener("keydown", keyboard);
  }, [run]);
}

function Frame({ atlas }: { atlas: AtlasIndex }) {
  const path = useHashPath();
  useEffect(() => scrollTo(0, 0), [path]);
  const [, run = "", page = ""] = path.split("/");
  const first = atlas.runs[0];
  useEffect(() => {
    if (!run && first) open(paths.overview(first.id), true);
  }, [run]);
  useKeys(run ? decodeURIComponent(run) : first?.id ?? "");
  if (!first) return <main class="page"><div class="note"><h1>An empty atlas</h1><p>atlas.json lists no runs.</p></div></main>;
  if (!run) return null;
  const entry = atlas.runs.find((other) => other.id === decodeURIComponent(run));
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the page</a>
      <Header atlas={atlas} entry={entry ?? first} page={page} />
      <div class="body">
        <main class="page" id="main" tabIndex={-1}>{entry ? <Pages {...{ atlas, entry, page, path }} /> : <NotFound />}</main>
        <footer class="foot small muted">{atlas.generator} · atlas format {atlas.format} · this page asks no other server for anything</footer>
      </div>
    </div>
  );
}

const [, named = "", opened = ""] = hashPath().split("/");
if (named && !named.includes("%")) begin(named, opened);

export function App() {
  const atlas = useLoad("atlas", loadAtlas);
  return <Load of={atlas}>{(atlas) => <Frame atlas={atlas} />}</Load>;
}
