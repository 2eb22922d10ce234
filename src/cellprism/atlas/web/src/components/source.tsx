// The card that says where a number comes from, and the buttons that ask for it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { loadSummary, loadTables } from "../data/store";
import type { Summary, TableFile, Tables } from "../data/types";
import { count, duration } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { useRun } from "../lib/run";
import { from, originOf, type About, type Origin } from "../lib/source";
import { Icon } from "./icon";

interface FromProps extends About {
  of: string;
  children: ComponentChildren;
}

/** A number that tells where it comes from when it is pressed. */
export const From = ({ of, children, ...about }: FromProps) => <button type="button" class="from num" {...from(of, about)}>{children}</button>;

/** For a whole table: the same, with all of its columns. */
export function SourceButton({ table, layer, name, within, what }: { table: string; layer?: number | undefined; name?: string; within?: string | undefined; what: string }) {
  return <button type="button" class="take" aria-label={`Source of ${what}`} {...from(`${table}.`, { layer, name, within })}><Icon name="source" /> Source</button>;
}

function fileOf(tables: Tables, { table, layer, name, within }: Origin): TableFile | undefined {
  const all = tables.files.filter((file) => file.table === table);
  const here = all.filter((file) => layer !== null && file.file.startsWith(`layers/${String(layer).padStart(2, "0")}/`));
  const there = within ? all.filter(({ file }) => file.startsWith(within)) : [];
  const own = there.length ? there : here.length ? here : all;
  return own.find((file) => name && file.names?.includes(name)) ?? own[0];
}

function Notes({ notes }: { notes: Record<string, unknown> }) {
  const shown = Object.entries(notes).filter(([key, value]) => key !== "seed" && key !== "key" && value !== null && typeof value !== "object");
  return <>{shown.map(([key, value]) => <div key={key}><dt>{key.replaceAll("_", " ")}</dt><dd>{String(value)}</dd></div>)}</>;
}

function Facts({ origin, tables, summary }: { origin: Origin; tables: Tables; summary: Summary }) {
  const { id, provenance: { stages, environment } } = summary;
  const file = fileOf(tables, origin);
  const columns = tables.tables[origin.table]?.columns ?? [];
  const column = columns.find(([name]) => name === origin.column);
  const stage = stages.find((other) => other.name === file?.stage);
  const command = file?.command ?? tables.command;
  if (!file) return <p>The table {origin.table} is not part of this atlas.</p>;
  return (
    <>
      <p>{column ? <><code>{column[0]}</code>: {column[2]}.</> : <>Every number of the table <code>{origin.table}</code>.</>}</p>
      {origin.how && <p>Computed in this page from it: {origin.how}.</p>}
      <dl class="source-facts">
        {origin.n && <div><dt>n</dt><dd>{origin.n}</dd></div>}
        {origin.null && <div><dt>null</dt><dd>{origin.null.replace(/^null:? /, "")}</dd></div>}
        <div><dt>table</dt><dd><a href={`download/${id}/${file.file}`} download>{file.file}</a>{file.rows !== undefined && `, ${count(file.rows)} rows`}</dd></div>
        <div><dt>SHA-256</dt><dd><code class="hash">{file.sha256}</code></dd></div>
        {file.stage && <div><dt>stage</dt><dd>{file.stage}{stage && `, ${stage.started.slice(0, 10)}, ${duration(stage.seconds)}`}</dd></div>}
        <div><dt>command</dt><dd><code>{command}</code>{command.endsWith("run.yaml") && <> with <a href={`download/${id}/run.yaml`} download>run.yaml</a></>}</dd></div>
        <div><dt>seed</dt><dd>{file.seed ?? tables.seed}</dd></div>
        <div><dt>by</dt><dd>cellprism {String(environment["cellprism"] ?? "")}</dd></div>
        {file.notes && <Notes notes={file.notes} />}
      </dl>
      {!column && <dl class="source-columns">{columns.map(([name, type, meaning]) => <div key={name}><dt><code>{name}</code> <span class="muted">{type}</span></dt><dd>{meaning}</dd></div>)}</dl>}
    </>
  );
}

const WIDTH = 416;
const EDGE = 8;

/** Left and top of a card beside what it explains, within the window. */
function placed({ left, bottom, top }: DOMRect, height: number): { left: number; top: number } {
  const x = Math.max(EDGE, Math.min(left, innerWidth - WIDTH - EDGE));
  const below = bottom + EDGE;
  return { left: x, top: below + height < innerHeight ? below : Math.max(EDGE, top - height - EDGE) };
}

function Card({ origin, onClose }: { origin: Origin; onClose: () => void }) {
  const { id } = useRun();
  const run = origin.run || id;
  const card = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ left: EDGE, top: EDGE });
  const about = useLoad(`source ${run}`, () => Promise.all([loadTables(run), loadSummary(run)]));
  useEffect(() => {
    const element = card.current!;
    const before = document.activeElement as HTMLElement | null;
    const move = () => setPlace(placed(origin.anchor, element.offsetHeight));
    const observer = new ResizeObserver(move);
    observer.observe(element);
    element.focus();
    const key = (event: KeyboardEvent) => event.key === "Escape" && onClose();
    const outside = (event: Event) => !element.contains(event.target as Node) && onClose();
    addEventListener("keydown", key);
    addEventListener("pointerdown", outside);
    return () => {
      observer.disconnect();
      removeEventListener("keydown", key);
      removeEventListener("pointerdown", outside);
      if (element.contains(document.activeElement)) before?.focus();
    };
  }, [origin]);
  return (
    <div class="source-card" role="dialog" aria-label="Where this number comes from" tabIndex={-1} ref={card} style={{ left: `${place.left}px`, top: `${place.top}px` }} data-testid="source">
      <div class="panel-head"><h2>Where this comes from</h2><button type="button" class="round" aria-label="Close" onClick={onClose}><Icon name="close" /></button></div>
      <Load of={about}>{([tables, summary]) => <Facts {...{ origin, tables, summary }} />}</Load>
    </div>
  );
}

/** Around the pages of a run: a click on a number opens its card. */
export function Sources({ children }: { children: ComponentChildren }) {
  const [origin, setOrigin] = useState<Origin | null>(null);
  useEffect(() => {
    const ask = (event: MouseEvent) => {
      const target = event.target as Element;
      if (target.closest("a, summary, .source-card") || getSelection()?.isCollapsed === false) return;
      const found = originOf(target);
      if (found) setOrigin(found);
    };
    const leave = () => setOrigin(null);
    addEventListener("click", ask);
    addEventListener("hashchange", leave);
    return () => {
      removeEventListener("click", ask);
      removeEventListener("hashchange", leave);
    };
  }, []);
  return <>{children}{origin && <Card key={Object.values(origin).slice(0, -1).join(" ")} origin={origin} onClose={() => setOrigin(null)} />}</>;
}
