// Everything to take away: tables with the meaning of their columns, the API, the Python client, one's own notes.
import { useState } from "preact/hooks";
import { Endpoints } from "../components/endpoints";
import { RemarkList } from "../components/remark-list";
import { PythonCell } from "../components/take";
import { Sideways } from "../components/sideways";
import { loadTables } from "../data/store";
import type { TableFile, Tables } from "../data/types";
import { count, plural, size } from "../lib/format";
import { Load, useLoad } from "../lib/load";
import { clientCode } from "../lib/python";
import { useRun, useTitle } from "../lib/run";

const FILES = 60;

function TableCard({ name, tables, files }: { name: string; tables: Tables; files: TableFile[] }) {
  const { id } = useRun();
  const [open, setOpen] = useState(false);
  const rows = files.reduce((sum, file) => sum + (file.rows ?? 0), 0);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const columns = tables.tables[name]?.columns ?? [];
  return (
    <details class="fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary><b><code>{name}</code></b> <span class="muted num">{plural(files.length, "file")}, {plural(rows, "row")}, {size(bytes)}</span></summary>
      {open && (
        <div class="stack-tight">
          {columns.length > 0 && (
            <Sideways label={`Columns of ${name}`}>
              <table>
                <thead><tr><th scope="col">Column</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
                <tbody>{columns.map(([column, type, meaning]) => <tr key={column}><th scope="row"><code>{column}</code></th><td class="muted">{type}</td><td class="prose">{meaning}</td></tr>)}</tbody>
              </table>
            </Sideways>
          )}
          <ul class="columns">
            {files.slice(0, FILES).map((file) => <li key={file.file}><a href={`download/${id}/${file.file}`} download>{file.file}</a> <span class="small muted num">{size(file.bytes)}</span></li>)}
            {files.length > FILES && <li class="muted">and {files.length - FILES} more</li>}
          </ul>
        </div>
      )}
    </details>
  );
}

function TableList({ tables }: { tables: Tables }) {
  const { id } = useRun();
  const byName = new Map<string, TableFile[]>();
  for (const file of tables.files) if (file.table) byName.set(file.table, [...(byName.get(file.table) ?? []), file]);
  const total = tables.files.reduce((sum, file) => sum + file.bytes, 0);
  return (
    <div class="stack-tight" data-testid="tables">
      <p>
        {plural(byName.size, "table")} as Parquet, {size(total)} together, for pandas, polars, DuckDB or R; all digits are in them. Made by <code>{tables.command}</code> with{" "}
        <a href={`download/${id}/run.yaml`} download>run.yaml</a>, seed {count(tables.seed)}. Layer NN of a run is in <code>layers/NN/</code>.
      </p>
      <div class="panel fold-list">{[...byName].sort(([a], [b]) => a.localeCompare(b)).map(([name, files]) => <TableCard key={name} name={name} tables={tables} files={files} />)}</div>
    </div>
  );
}

export default function DataPage() {
  const { id, atlas, summary } = useRun();
  useTitle("Data and API");
  const tables = useLoad(`tables ${id}`, () => loadTables(id));
  return (
    <div class="prose-page">
      <header class="page-head"><h1>Data and API</h1><p class="lede">Everything that these pages show, to take away: as tables, in Python, and as answers to programs.</p></header>
      <section aria-labelledby="python">
        <h2 id="python">In Python</h2>
        <p>The same calls read a run's directory, an exported atlas on disk and the address of this one; tables are fetched when they are asked for, and checked against their SHA-256.</p>
        <PythonCell code={clientCode(summary)} />
      </section>
      <section aria-labelledby="tables"><h2 id="tables">Tables</h2><Load of={tables}>{(tables) => <TableList tables={tables} />}</Load></section>
      <section aria-labelledby="api">
        <h2 id="api">API</h2>
        {atlas.capabilities.includes("api")
          ? <Endpoints />
          : <p class="empty">This atlas is plain files, so nobody answers questions; the files are documented in the atlas format, and <code>cellprism serve</code> of this directory answers them under <code>/api</code>.</p>}
      </section>
      <section aria-labelledby="notes"><h2 id="notes">Your notes</h2><RemarkList /></section>
    </div>
  );
}
