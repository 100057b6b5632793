import { Ajv2020 } from "ajv/dist/2020.js";
import { default as addFormats } from "ajv-formats";
import { documentedRoutes } from "./document-routes.ts";
import { type JsonSchema, type OpenApi, type Operation, openApiOf } from "./openapi.ts";
import { routes } from "./routes.ts";

// Holds answers against the API's document.

export const document: OpenApi = openApiOf(documentedRoutes(routes));

type AnswerSeen = {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
};

/** What the document says of a request; undefined when there is no such operation. */
export function operationFor(method: string, path: string): { readonly path: string; readonly operation: Operation } | undefined {
  // As clients send it, without `..`.
  const parts = new URL(path, "http://server").pathname.split("/");
  const matching = Object.entries(document.paths)
    .filter(([template]) => {
      const wanted = template.split("/");
      return wanted.length === parts.length && wanted.every((one, index) => one.startsWith("{") || one === parts[index]);
    })
    // What is named goes before what is a parameter.
    .sort(([a], [b]) => a.split("{").length - b.split("{").length);
  for (const [template, methods] of matching) {
    const operation = methods[method.toLowerCase()];
    if (operation !== undefined) return { path: template, operation };
  }
  return undefined;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: "openapi", components: document.components });

/** What has been answered so far: `GET /api/v1/approvals 200`. */
export const answersSeen = new Set<string>();

/** Throws when an answer is not as the document has it. */
export function conform({ method, path, status, type, body }: AnswerSeen): void {
  const found = operationFor(method, path);
  if (found === undefined) {
    if (status === 404 || status === 405 || status === 400 || status === 413) return;
    throw new Error(`${method} ${path} is answered with ${status} and is not in the document`);
  }
  const where = `${method} ${found.path} ${status}`;
  const documented = found.operation.responses[status];
  if (documented === undefined) throw new Error(`${where}: the document has no such status: ${JSON.stringify(body)}`);
  answersSeen.add(where);
  if (documented.content === undefined) {
    if (type !== "" || status !== 204) throw new Error(`${where}: the document has no content`);
    return;
  }
  const content = Object.entries(documented.content).find(([mediaType]) => type.startsWith(mediaType));
  if (content === undefined) throw new Error(`${where}: the document has no content of the type ${type}`);
  if (!/[/+]json$/.test(content[0])) return;
  const schema = { ...(resolved(content[1].schema) as object) };
  if (!ajv.validate(schema, body)) throw new Error(`${where}: ${ajv.errorsText()}: ${JSON.stringify(body)}`);
}

function resolved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolved);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, key === "$ref" ? `openapi${String(inner)}` : resolved(inner)]),
  );
}

/** What a `$ref` of the document stands for. */
export function resolve(reference: string): JsonSchema {
  const found = document.components.schemas[reference.split("/").at(-1) ?? ""];
  if (found === undefined) throw new Error(`the document has no ${reference}`);
  return found;
}
