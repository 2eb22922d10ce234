// The questions that a served atlas answers, read from its own OpenAPI description: nothing comes from elsewhere.
import { readJson } from "../data/read";
import { Load, useLoad } from "../lib/load";

interface Schema {
  $ref?: string;
  type?: string;
  items?: Schema;
  anyOf?: Schema[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  properties?: Record<string, Schema>;
}

interface Operation {
  summary?: string;
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: Schema }[];
  responses: Record<string, { description: string; content?: Record<string, { schema?: Schema }> }>;
}

interface OpenApi {
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

const named = (ref: string) => ref.split("/").at(-1) ?? ref;

/** A schema in a few words: `integer or null`, `list of Gene`. */
function words({ $ref, type, items, anyOf, minimum, maximum }: Schema): string {
  if ($ref) return named($ref);
  if (anyOf) return anyOf.map(words).join(" or ");
  if (type === "array") return `list of ${items ? words(items) : "anything"}`;
  const range = maximum === undefined ? (minimum === undefined ? "" : `, from ${minimum}`) : `, ${minimum ?? ""} to ${maximum}`;
  return `${type ?? "anything"}${range}`;
}

function Endpoint({ path, operation, schemas }: { path: string; operation: Operation; schemas: Record<string, Schema> }) {
  const answer = operation.responses["200"]?.content?.["application/json"]?.schema;
  const fields = answer?.$ref ? schemas[named(answer.$ref)]?.properties : undefined;
  return (
    <details class="fold endpoint">
      <summary><code>GET {path}</code> <span class="muted">{operation.summary}</span></summary>
      <dl class="source-columns">
        {operation.parameters?.map(({ name, in: place, required, description, schema }) => (
          <div key={name}><dt><code>{name}</code> <span class="muted">{place}{required ? "" : ", optional"}; {schema ? words(schema) : ""}{schema?.default !== undefined && schema.default !== "" && `, default ${String(schema.default)}`}</span></dt><dd>{description}</dd></div>
        ))}
        {fields && <div><dt>answers</dt><dd>{Object.entries(fields).map(([name, schema]) => <div key={name}><code>{name}</code> <span class="muted">{words(schema)}</span></div>)}</dd></div>}
      </dl>
    </details>
  );
}

export function Endpoints() {
  const description = useLoad("openapi", () => readJson<OpenApi>("openapi.json"));
  return (
    <Load of={description}>
      {({ paths, components }) => (
        <div class="stack-tight" data-testid="endpoints">
          <p>Read-only, lists in pages of up to 500 rows, faults as one sentence under <code>detail</code>. The description for programs is <a href="openapi.json">openapi.json</a>; for instance <a href="api/runs">api/runs</a>.</p>
          <div class="panel fold-list">{Object.entries(paths).map(([path, methods]) => methods["get"] && <Endpoint key={path} path={path} operation={methods["get"]} schemas={components?.schemas ?? {}} />)}</div>
        </div>
      )}
    </Load>
  );
}
