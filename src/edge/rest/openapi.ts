import { STATUS_CODES } from "node:http";
import * as z from "zod/mini";
import type { RouteAccess } from "./access.ts";
import { parameterMeaning } from "./parameter-meanings.ts";
import { type ProblemCodes, problemType } from "./problem.ts";
import { requestExamples } from "./request-examples.ts";
import type { Route } from "./route.ts";
import { named } from "./schema.ts";

// What the API says about itself, made of the schemas that it works by. Source: OpenAPI 3.1.1, JSON Schema 2020-12.

export type JsonSchema = { readonly [key: string]: unknown };
export type OpenApi = {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly security: readonly Security[];
  readonly tags: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } };
  readonly components: { readonly schemas: { readonly [name: string]: JsonSchema }; readonly securitySchemes: typeof securitySchemes };
};
type Security = { readonly [scheme in keyof typeof securitySchemes]?: readonly [] };
export type Operation = {
  readonly operationId: string;
  readonly summary: string;
  /** Who may ask. */
  readonly description?: string;
  readonly security?: readonly Security[];
  readonly tags: readonly string[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: {
    readonly [status: string]: { readonly description: string; readonly headers?: object; readonly content?: Content };
  };
};
export type Parameter = {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
};
type Content = { readonly [mediaType: string]: { readonly schema: JsonSchema; readonly example?: unknown } };

const problemSchema = named(
  "Problem",
  z.object({
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    errors: z.optional(
      z.array(
        z.object({
          detail: z.string(),
          pointer: z.optional(z.string()),
          bundle: z.optional(z.string()),
          line: z.optional(z.int()),
          column: z.optional(z.int()),
        }),
      ),
    ),
  }),
);

const description =
  "Workflows, jobs, approvals, policy and ledger over HTTP. Errors are problems as in RFC 9457: programs match on `code`, which never changes.";

const securitySchemes = {
  apiKey: { type: "apiKey", in: "header", name: "X-API-Key", description: "an API key" },
  bearer: { type: "http", scheme: "bearer", description: "an API key, or a token of an identity provider" },
  certificate: { type: "mutualTLS", description: "a client's own certificate" },
} as const;
/** The last one is to say nothing: enough for a server that does not require callers to prove who they are. */
const security: readonly Security[] = [{ apiKey: [] }, { bearer: [] }, { certificate: [] }, {}];

const tagMeanings: { readonly [tag: string]: string } = {
  jobs: "Single pieces of work, for whatever worker serves their topic.",
  dlq: "Dead letters: jobs that failed for good, until somebody has seen to them.",
  workers: "For workers that speak HTTP: take a task, keep it alive, end it.",
  endpoints: "HTTPS services that tasks are pushed to.",
  workflows: "Graphs of steps, declared in YAML or JSON.",
  "workflow-runs": "What became of them.",
  schemas: "JSON Schemas that steps of workflows name.",
  config: "JSON that definitions of workflows look into, by scope.",
  locks: "Who holds which resource, alone or with others.",
  artifacts: "Files that jobs, workflows and people hand to each other behind pointers.",
  approvals: "One queue of what waits for people: what a policy holds, and what a workflow asks.",
  policy: "What may happen: questions to the policy in force, and its publication.",
  traces: "All that one request has brought about.",
  stream: "What happens, as it happens.",
  auth: "Who asks, and the keys and roles of those who do.",
  quotas: "How much of the server a tenant may take.",
  audit: "The ledger of decisions, approvals and changes.",
  status: "What the server is and has.",
  doctor: "What is stuck, and why.",
  openapi: "This document.",
  docs: "This document.",
};

/** The document of these routes, and of who may ask them. */
export function openApiOf(routes: readonly Route[], accessOf: (route: Route) => RouteAccess | undefined = () => undefined): OpenApi {
  const schemas: Record<string, JsonSchema> = {};
  const schemaOf = (schema: z.ZodMiniType, io: "input" | "output"): JsonSchema => {
    const { $schema: _, $defs = {}, ...own } = inComponents(z.toJSONSchema(schema, { io, unrepresentable: "any" })) as JsonSchema;
    Object.assign(schemas, $defs);
    return own;
  };
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    const methods = paths[path] ?? {};
    paths[path] = methods;
    methods[route.method.toLowerCase()] = operationOf(route, accessOf(route), schemaOf);
  }
  const tags = [...new Set(routes.map(tagOf))].map((name) => ({ name, ...maybe("description", tagMeanings[name]) }));
  const info = { title: "Holdfast", version: "1", description };
  return { openapi: "3.1.1", info, security, tags, paths, components: { schemas, securitySchemes } };
}

type SchemaOf = (schema: z.ZodMiniType, io: "input" | "output") => JsonSchema;

function operationOf(route: Route, access: RouteAccess | undefined, schemaOf: SchemaOf): Operation {
  const { body, success, problems } = route;
  return {
    operationId: operationIdOf(route),
    summary: route.summary,
    ...maybe("description", access && whoMayAsk(access)),
    ...(Object.hasOwn(problems, "unauthenticated") ? {} : { security: [] }),
    tags: [tagOf(route)],
    parameters: [...parametersIn("path", route, schemaOf), ...parametersIn("query", route, schemaOf), ...headersOf(route)],
    ...(body === null
      ? {}
      : { requestBody: { required: !body.safeParse({}).success, content: contentOf(route, schemaOf(body, "input")) } }),
    responses: {
      [success.status ?? 200]: {
        description: STATUS_CODES[success.status ?? 200] ?? "",
        ...("etag" in success && success.etag === true ? { headers: { ETag: { schema: { type: "string" } } } } : {}),
        ...answerOf(success, schemaOf),
      },
      ...("orNothing" in success ? { 204: { description: STATUS_CODES[204] ?? "" } } : {}),
      ...responsesOf(problems, schemaOf(problemSchema, "output")),
    },
  };
}

function whoMayAsk(access: RouteAccess): string {
  switch (access.to) {
    case "public":
      return "Anybody may ask.";
    case "everybody":
      return "Whoever proves who they are may ask.";
    case "everywhere":
      return `Needs \`${access.permission}\` in every tenant.`;
    case "tenant":
      return `Needs ${access.permissions.map((permission) => `\`${permission}\``).join(" or ")} in the tenant.`;
  }
}

function answerOf(success: Route["success"], schemaOf: SchemaOf): { readonly content?: Content } {
  if ("json" in success) return { content: json(schemaOf(success.json, "output")) };
  return "mediaType" in success ? { content: { [success.mediaType]: { schema: { type: "string" } } } } : {};
}

function contentOf({ method, path, yaml }: Route, schema: JsonSchema): Content {
  const example = maybe("example", requestExamples[`${method} ${path}`]);
  return yaml
    ? { "application/yaml": { schema: { type: "string" }, ...example }, "application/json": { schema } }
    : { "application/json": { schema, ...example } };
}
const json = (schema: JsonSchema): Content => ({ "application/json": { schema } });

function responsesOf(problems: ProblemCodes, problem: JsonSchema): Operation["responses"] {
  const entries = Object.entries(problems);
  return Object.fromEntries(
    [...new Set(entries.map(([, status]) => status))].map((status) => {
      const codes = entries.filter((one) => one[1] === status).map(([code]) => code);
      const schema = { allOf: [problem, { properties: { code: { enum: codes.sort() } } }] };
      return [status, { description: STATUS_CODES[status] ?? "Error", content: { [problemType]: { schema } } }];
    }),
  );
}

function parametersIn(place: "path" | "query", route: Route, schemaOf: SchemaOf): readonly Parameter[] {
  const schema = place === "path" ? route.params : route.query;
  if (schema === null) return [];
  const { properties = {}, required = [] } = schemaOf(schema, "input") as {
    readonly properties?: { readonly [name: string]: JsonSchema };
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, one]) => ({
    name,
    in: place,
    // What a path has always stands there; a transformation does not say whether it wants a value.
    required: place === "path" || required.includes(name) || !acceptsWithout(schema, name),
    ...maybe("description", parameterMeaning(route, place, name)),
    schema: one,
  }));
}

/** Whether a query without the parameter is not refused for that. */
function acceptsWithout(schema: z.ZodMiniType, name: string): boolean {
  const parsed = schema.safeParse({});
  return parsed.success || !parsed.error.issues.some(({ path }) => path[0] === name);
}

const header = (name: string, required: boolean, about: string): Parameter => ({
  name,
  in: "header",
  required,
  description: about,
  schema: { type: "string" },
});

/** Headers follow from what a route may refuse. */
function headersOf({ problems }: Route): readonly Parameter[] {
  const has = (code: string): boolean => Object.hasOwn(problems, code);
  return [
    header("X-Tenant-ID", false, "the tenant: the namespace of the same name, `default` when it is left out"),
    header("X-Principal-Id", has("principal-required"), "who asks"),
    header("X-Principal-Role", false, "roles of whoever asks, with commas between them"),
    header("X-Principal-Kind", false, "`human` (default) or `service`"),
    ...(has("bad-idempotency-key")
      ? [header("Idempotency-Key", false, "names this request, which may then be sent again: it has one effect and one answer")]
      : []),
    ...(has("artifact-too-large") ? [header("X-Max-Artifact-Bytes", false, "refuses what is larger, as `max_bytes` does")] : []),
    ...(has("bad-condition") ? [header("If-Match", false, "does so only to the state with this tag")] : []),
  ];
}

const maybe = <K extends string, V>(name: K, value: V | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [key in K]?: V };

const tagOf = ({ path }: Route): string => path.split("/")[3]?.replace(/\..*/, "") ?? "";

function operationIdOf({ method, path }: Route): string {
  const words = path
    .split("/")
    .slice(3)
    .flatMap((part) => (part.startsWith(":") ? ["by", part.slice(1)] : part.split(/[-_.]/)));
  return [method.toLowerCase(), ...words.map((word) => `${word[0]?.toUpperCase() ?? ""}${word.slice(1)}`)].join("");
}

/** With the definitions of zod where OpenAPI has them. */
function inComponents(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inComponents);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === "$ref" && typeof inner === "string" ? [key, inner.replace("#/$defs/", "#/components/schemas/")] : [key, inComponents(inner)],
    ),
  );
}
