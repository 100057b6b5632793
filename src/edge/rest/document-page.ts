import type { JsonSchema, OpenApi, Operation, Parameter } from "./openapi.ts";

// The API's document for people: one page without scripts, which needs nothing from elsewhere.

export const pageStyle = `
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;text-transform:capitalize}
details{border:1px solid #8884;border-radius:6px;margin:.4rem 0;padding:.3rem .8rem}
summary{cursor:pointer}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow-x:auto;background:#8881;padding:.6rem .8rem;border-radius:6px}
b.method{display:inline-block;min-width:4.2rem}
table{border-collapse:collapse}
th,td{text-align:left;vertical-align:top;padding:.15rem 1rem .15rem 0}
`;

/** The whole page as HTML. */
export function documentPage({ info, tags, paths, components }: OpenApi): string {
  const { schemas: named, securitySchemes } = components;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const ofEvery = parametersOfEvery(operations.map(({ operation }) => operation));
  const sections = tags.map(({ name, description = "" }) => {
    const inside = operations.filter(({ operation }) => operation.tags.includes(name));
    return `<section><h2 id="${escaped(name)}">${escaped(name)}</h2><p>${prose(description)}</p>${inside.map((one) => operationHtml(one, ofEvery)).join("")}</section>`;
  });
  const schemas = Object.entries(named).map(
    ([name, schema]) =>
      `<details id="schema-${escaped(name)}"><summary><code>${escaped(name)}</code></summary>${schemaHtml(schema)}</details>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(info.title)} API</title>
<style>${pageStyle}</style></head><body>
<h1>${escaped(info.title)} API</h1><p>${prose(info.description)}</p>
<p>For programs: <a href="openapi.json">openapi.json</a>, <a href="openapi.yaml">openapi.yaml</a></p>
<h2>Every request</h2>
<p>Who asks is proved in one of these ways, where the server requires it:</p>
<ul>${Object.values(securitySchemes).map(credentialHtml).join("")}</ul>
<table>${[...ofEvery.values()].map(parameterHtml).join("")}</table>
<nav>${tags.map(({ name }) => `<a href="#${escaped(name)}">${escaped(name)}</a>`).join(" · ")}</nav>
${sections.join("\n")}
<section><h2>Schemas</h2>${schemas.join("\n")}</section>
</body></html>
`;
}

type Shown = { readonly path: string; readonly method: string; readonly operation: Operation };

function operationHtml({ path, method, operation }: Shown, ofEvery: ReadonlyMap<string, Parameter>): string {
  const { operationId, summary, description = "", parameters, requestBody, responses } = operation;
  const rows = parameters.filter(({ name }) => !ofEvery.has(name)).map(parameterHtml);
  const bodies = Object.entries(requestBody?.content ?? {}).map(
    ([type, { schema }]) => `<h4>Body: ${escaped(type)}</h4>${schemaHtml(schema)}`,
  );
  const answers = Object.entries(responses).map(([status, { description, content = {} }]) =>
    Object.entries(content)
      .map(([type, { schema }]) => {
        const codes = codesHtml(schema);
        const named = `${status} ${escaped(description)}`;
        return codes === null ? `<h4>${named}: ${escaped(type)}</h4>${schemaHtml(schema)}` : `<p>${named}: ${codes}</p>`;
      })
      .join(""),
  );
  return `<details id="${escaped(operationId)}"><summary><b class="method">${method.toUpperCase()}</b> <code>${escaped(path)}</code> ${prose(summary)}</summary>
<p>${prose(description)}</p><pre>${escaped(curlOf({ path, method, operation }))}</pre>
${rows.length === 0 ? "" : `<table>${rows.join("")}</table>`}${bodies.join("")}${answers.join("")}</details>`;
}

const parameterHtml = ({ name, in: place, required, description = "", schema }: Parameter): string =>
  `<tr><td><code>${escaped(name)}</code></td><td>${place}${required ? ", needed" : ""}</td><td><code>${typeText(schema)}</code></td><td>${prose(description)}</td></tr>`;

const credentialHtml = (scheme: OpenApi["components"]["securitySchemes"][keyof OpenApi["components"]["securitySchemes"]]): string => {
  const how =
    scheme.type === "apiKey" ? `<code>${scheme.name}</code>: ` : scheme.type === "http" ? "<code>Authorization: Bearer</code>: " : "";
  return `<li>${how}${prose(scheme.description)}</li>`;
};

/** Headers that mean the same everywhere, so that one table has them. */
function parametersOfEvery([first, ...more]: readonly Operation[]): ReadonlyMap<string, Parameter> {
  const everywhere = (first?.parameters ?? []).filter(
    ({ name, in: place }) => place === "header" && more.every(({ parameters }) => parameters.some((other) => other.name === name)),
  );
  return new Map(everywhere.map((parameter) => [parameter.name, { ...parameter, required: false }]));
}

/** The request with its example, for a shell. */
function curlOf({ path, method, operation: { parameters, requestBody } }: Shown): string {
  const needed = parameters.filter(({ in: place, required }) => place === "query" && required).map(({ name }) => `${name}=…`);
  const url = `localhost:8081${path}${needed.length === 0 ? "" : `?${needed.join("&")}`}`;
  const [type, { example } = { example: undefined }] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const verb = method === "get" ? "" : ` -X ${method.toUpperCase()}`;
  const sent = typeof example === "string" ? example : JSON.stringify(example, null, 1)?.replace(/\n */g, " ");
  const body = sent === undefined ? "" : ` \\\n  -H 'Content-Type: ${type}' --data-binary '${sent}'`;
  return `curl -s${verb} ${/[{?]/.test(url) ? `'${url}'` : url}${body}`;
}

/** Of problems, their codes say all. */
function codesHtml({ allOf }: JsonSchema): string | null {
  const codes = Array.isArray(allOf) ? (allOf[1] as { properties: { code: { enum: readonly string[] } } }).properties.code.enum : null;
  return codes === null ? null : codes.map((code) => `<code>${escaped(code)}</code>`).join(", ");
}

const schemaHtml = (schema: JsonSchema): string => `<pre>${typeText(schema)}</pre>`;

/** A schema in the notation of a type, as HTML. */
function typeText(schema: JsonSchema, indent = ""): string {
  const { $ref, enum: values, const: value, anyOf, type, items, properties, required, additionalProperties, format } = schema;
  if (typeof $ref === "string") {
    const name = escaped($ref.split("/").at(-1) ?? "");
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (Array.isArray(values)) return escaped(values.map((one) => JSON.stringify(one)).join(" | "));
  if (value !== undefined) return escaped(JSON.stringify(value));
  if (Array.isArray(anyOf)) return anyOf.map((one: JsonSchema) => typeText(one, indent)).join(" | ");
  if (Array.isArray(type)) return escaped(type.join(" | "));
  if (type === "array") return `[${typeText((items ?? {}) as JsonSchema, indent)}]`;
  if (properties !== undefined) {
    const deeper = `${indent}  `;
    const needed = new Set(required as readonly string[] | undefined);
    const lines = Object.entries(properties as { readonly [name: string]: JsonSchema }).map(
      ([name, one]) => `${deeper}${escaped(name)}${needed.has(name) ? "" : "?"}: ${typeText(one, deeper)}\n`,
    );
    return `{\n${lines.join("")}${indent}}`;
  }
  if (type === "object") return `{ [name]: ${typeText((additionalProperties ?? {}) as JsonSchema, indent)} }`;
  return escaped(typeof type === "string" ? `${type}${typeof format === "string" ? ` (${format})` : ""}` : "any");
}

/** With what stands between backticks as code. */
const prose = (text: string): string => escaped(text).replace(/`([^`]*)`/g, "<code>$1</code>");

const escaped = (text: string): string => text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
