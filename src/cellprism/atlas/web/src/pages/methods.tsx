// Where the numbers come from: definitions, nulls, versions, stages, files.
import { useState } from "preact/hooks";
import { CsvButton, PythonCell } from "../components/take";
import { Definitions } from "../components/definitions";
import { Sideways } from "../components/sideways";
import { StackedTable } from "../components/stacked-table";
import type { Stage, Summary } from "../data/types";
import { count, duration, plural } from "../lib/format";
import { rateTitle } from "../lib/names";
import { methodsCode } from "../lib/python";
import { useRun, useTitle } from "../lib/run";

const STAGES = 80;

function Nulls({ summary }: { summary: Summary }) {
  const rates = summary.layers.flatMap((layer) => layer.rates);
  const first = rates.filter((rate, i) => rates.findIndex((other) => other.rate === rate.rate) === i);
  return (
    <Sideways label="Table of rates">
      <StackedTable
        heads={[{ title: "Rate" }, { title: "Null" }, { title: "Permutations", numeric: true }, { title: "Unit" }, { title: "Protocol" }]}
        rows={first.map((rate) => [[rateTitle(rate.rate)], [rate.null, { class: "prose", "data-label": undefined }], [count(rate.n_permutations)], [rate.unit], [rate.protocol]])}
      />
    </Sideways>
  );
}

function Files({ outputs }: { outputs: Record<string, string> }) {
  const files = Object.entries(outputs);
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{plural(files.length, "file")}</summary>
      {open && files.slice(0, 40).map(([file, hash]) => <div class="file">{file} <code title={hash}>{hash.slice(0, 12)}</code></div>)}
    </details>
  );
}

function Stages({ stages }: { stages: Stage[] }) {
  return (
    <Sideways label="Table of stages">
      <StackedTable
        heads={[{ title: "Stage" }, { title: "Started" }, { title: "Took", numeric: true }, { title: "Files, with the start of their SHA-256" }]}
        rows={stages.slice(0, STAGES).map((stage) => [
          [stage.name], [stage.started.replace("T", " ").replace(/(\.\d+)?(Z|\+00:00)$/, " UTC"), { class: "num left" }], [duration(stage.seconds)], [<Files outputs={stage.outputs} />, { "data-label": undefined }],
        ])}
      />
      {stages.length > STAGES && <p class="muted">and {stages.length - STAGES} more; the run's manifest.json has them all.</p>}
    </Sideways>
  );
}

function Downloads({ run, stages }: { run: string; stages: Stage[] }) {
  const files = [...new Set(stages.flatMap((stage) => Object.keys(stage.outputs)))].filter((file) => file.endsWith(".parquet")).sort();
  if (!files.length) return <p class="empty">This run lists no Parquet tables.</p>;
  return <ul class="columns">{files.slice(0, 200).map((file) => <li><a href={`download/${run}/${file}`} download>{file}</a></li>)}</ul>;
}

export default function MethodsPage() {
  const { id, atlas, summary } = useRun();
  useTitle("Methods");
  const { cells, model, provenance } = summary;
  return (
    <div class="prose-page">
      <header class="page-head">
        <h1>Methods and provenance</h1>
        <p class="lede">
          {model.kind} “{model.name}” has {plural(model.n_layers, "layer")}{model.d_model !== null && <> of width {count(model.d_model)}</>}. It read {cells.n_cells !== null && <>{plural(cells.n_cells, "cell")} as </>}{count(cells.n_positions)} gene positions
          over {plural(cells.n_genes, "gene")}. Seed {summary.seed}; written by {atlas.generator}, atlas format {atlas.format}.
        </p>
      </header>
      <section aria-labelledby="cells"><h2 id="cells">Cells</h2><p>{cells.source}</p>{cells.notes.length > 0 && <ul>{cells.notes.map((note) => <li>{note}</li>)}</ul>}</section>
      {summary.absent.length > 0 && (
        <section aria-labelledby="absent">
          <h2 id="absent">What is absent, and why</h2>
          <ul>{summary.absent.map(({ table, layers, reason }) => <li><b>{table.replaceAll("_", " ")}</b>{layers && <> of {layers.length === 1 ? "layer" : "layers"} {layers.join(", ")}</>}: {reason}</li>)}</ul>
        </section>
      )}
      <section aria-labelledby="nulls"><div class="panel-head"><h2 id="nulls">Rates and their nulls</h2><CsvButton name={["rates"]} what="the rates" header={["layer", "rate", "value", "n", "unit", "null_mean", "null_q95", "n_permutations", "null", "protocol"]} rows={() => summary.layers.flatMap(({ layer, rates }) => rates.map((r) => [layer, r.rate, r.value, r.n, r.unit, r.null_mean, r.null_q95, r.n_permutations, r.null, r.protocol]))} /></div><p>A rate means something only beside the same rate where there is nothing to find. The null keeps what could mislead and breaks what is claimed.</p><Nulls summary={summary} /></section>
      <section aria-labelledby="words"><h2 id="words">What the words mean</h2><Definitions /></section>
      <section aria-labelledby="downloads"><h2 id="downloads">Tables</h2><p>The same numbers as Parquet files, for pandas, polars, DuckDB or R.</p><Downloads run={id} stages={provenance.stages} /></section>
      <section aria-labelledby="stages"><div class="panel-head"><h2 id="stages">Stages</h2><CsvButton name={["stages"]} what="the stages" header={["stage", "started", "seconds", "file", "sha256"]} rows={() => provenance.stages.flatMap(({ name, started, seconds, outputs }) => Object.entries(outputs).map(([file, hash]) => [name, started, seconds, file, hash]))} /></div><Stages stages={provenance.stages} /></section>
      <section aria-labelledby="environment">
        <h2 id="environment">Environment</h2>
        <dl class="pairs">{Object.entries(provenance.environment).map(([name, value]) => <div><dt>{name}</dt><dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd></div>)}</dl>
      </section>
      <PythonCell code={methodsCode(summary)} />
      <details class="panel fold"><summary>Configuration</summary><pre tabIndex={0}>{JSON.stringify(provenance.config, null, 2)}</pre></details>
    </div>
  );
}
