import { err, ok, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { Json } from "../../dag/json.ts";
import { definitionLettersMax, type Parsed, parseDagSpec } from "../../dag/spec/parse.ts";
import type { DagSpec } from "../../dag/spec/spec.ts";
import type { Problem } from "../../language/reader.ts";
import type { Clock } from "../clock.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import { readSchema } from "../schemas.ts";
import {
  type DefinitionKey,
  type Documents,
  listWorkflows,
  readSource,
  readWorkflow,
  type Source,
  sourceWrite,
  type Workflow,
  workflowWrite,
} from "./definition-documents.ts";

export type DefinitionRefusal =
  | { readonly kind: "invalid-workflow"; readonly problems: readonly Problem[] }
  | { readonly kind: "no-such-workflow" | "bad-workflow-id" | "too-many-workflows" | "workflow-changed" | "busy" };

export type Save = {
  /** YAML or JSON. */
  readonly text: string;
  readonly by: string;
  /** The version that this one replaces, as its SHA-256; null saves in the place of any. */
  readonly seen: string | null;
  /** What it is called when its text does not say: asked twice with the same one, it is one workflow. */
  readonly newId: string;
};

/** A definition, compiled. */
export type Definition = { readonly key: DefinitionKey; readonly spec: DagSpec };

/** Whose it is: where its configuration is looked for. */
export const ownerOf = ({ key: { workflowId }, spec: { orgId, teamId } }: Definition) => ({ orgId, teamId, workflowId });

/**
 * Definitions of workflows. A source never changes: what was sent, with the schemas that it named then, is found again by its hash, whatever
 * has been sent or deleted since.
 */
export type Definitions = {
  /** Makes a text the definition of the workflow that it names, or of a new one if it names none. `problems` are warnings. */
  save(
    namespaceId: string,
    save: Save,
  ): Promise<Result<{ readonly workflow: Workflow; readonly problems: readonly Problem[] }, DefinitionRefusal>>;
  get(namespaceId: string, workflowId: string): Promise<Workflow | null>;
  /** The newest first. */
  list(namespaceId: string): Promise<readonly Workflow[]>;
  /** Runs keep the text that they started with. */
  remove(namespaceId: string, workflowId: string): Promise<Result<void, DefinitionRefusal>>;
  /** What a run that starts now is decided by; null when there is no such workflow. */
  current(namespaceId: string, workflowId: string): Promise<Definition | null>;
  /** Null when there never was such a version, or when this server does not understand it any more. */
  at(key: DefinitionKey): Promise<Definition | null>;
};

/** Per namespace. */
export const workflowsMax = 1_000;
/** Compiled definitions that are kept in memory. */
const compiledMax = 200;
const attemptsMax = 5;
/** Part of URLs, job ids and topics. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function createDefinitions(deps: {
  readonly documents: Documents;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
}): Definitions {
  const { documents, committer, clock } = deps;
  /** By hash of the source, the one used last at the end. */
  const compiled = new Map<string, DagSpec>();

  function specOf(sha256: string, source: Source): DagSpec | null {
    const known = compiled.get(sha256);
    const spec = known ?? parse(source).spec;
    if (spec === null) return null;
    compiled.delete(sha256);
    compiled.set(sha256, spec);
    const [oldest] = compiled.keys();
    if (compiled.size > compiledMax && oldest !== undefined) compiled.delete(oldest);
    return spec;
  }

  /** With the schemas that the text names and that are there. */
  async function sourceOf(namespaceId: string, text: string): Promise<Source> {
    const named = new Set<string>();
    parseDagSpec(text, {
      schemaOf: (id) => {
        named.add(id);
        return true;
      },
    });
    if (named.size === 0) return { text };
    const schemas: { [id: string]: Json } = {};
    for (const id of named) {
      const found = await readSchema(documents, namespaceId, id);
      if (found !== null) schemas[id] = found.schema;
    }
    return { text, schemas };
  }

  return {
    at: async (key) => {
      // Looked for even when it is compiled: the hash of a text is no secret, and another namespace's was never sent here.
      const source = await readSource(documents, key);
      const spec = source === null ? null : specOf(key.sha256, source);
      return spec === null ? null : { key, spec };
    },
    get: async (namespaceId, workflowId) => (await readWorkflow(documents, namespaceId, workflowId))?.value ?? null,
    list: async (namespaceId) => [...(await listWorkflows(documents, namespaceId, workflowsMax))].sort((a, b) => b.updatedAt - a.updatedAt),
    current: async (namespaceId, workflowId) => {
      const found = await readWorkflow(documents, namespaceId, workflowId);
      if (found === null) return null;
      const { sha256 } = found.value;
      const spec = specOf(sha256, found.value);
      return spec === null ? null : { key: { namespaceId, workflowId, sha256 }, spec };
    },

    save: async (namespaceId, { text, by, seen, newId }) => {
      const source = await sourceOf(namespaceId, text);
      const { spec, problems } = parse(source);
      if (spec === null) return err({ kind: "invalid-workflow", problems });
      const workflowId = spec.id ?? newId;
      if (!idPattern.test(workflowId)) return err({ kind: "bad-workflow-id" });
      const key = { namespaceId, workflowId, sha256: hashOf(source) };
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        const before = await readWorkflow(documents, namespaceId, workflowId);
        if (seen !== null && before?.value.sha256 !== seen) return err({ kind: "workflow-changed" });
        if (before?.value.sha256 === key.sha256) return ok({ workflow: before.value, problems });
        if (before === null && (await listWorkflows(documents, namespaceId, workflowsMax)).length >= workflowsMax)
          return err({ kind: "too-many-workflows" });
        const now = clock.now();
        const createdAt = before?.value.createdAt ?? now;
        const workflow: Workflow = { id: workflowId, sha256: key.sha256, ...source, createdAt, updatedAt: now, updatedBy: by };
        const isNew = (await readSource(documents, key)) === null;
        const putDocuments = [
          workflowWrite(namespaceId, workflowId, workflow, before?.version ?? 0),
          ...(isNew ? [sourceWrite(key, source)] : []),
        ];
        const outcome = await committer.commit(changeOutsideRuns({ putDocuments, ledger: [] }));
        if (outcome === "committed") return ok({ workflow, problems });
      }
      return err({ kind: "busy" });
    },

    remove: async (namespaceId, workflowId) => {
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        const before = await readWorkflow(documents, namespaceId, workflowId);
        if (before === null) return err({ kind: "no-such-workflow" });
        const putDocuments = [workflowWrite(namespaceId, workflowId, null, before.version)];
        if ((await committer.commit(changeOutsideRuns({ putDocuments, ledger: [] }))) === "committed") return ok(undefined);
      }
      return err({ kind: "busy" });
    },
  };
}

function parse({ text, schemas = {} }: Source): Parsed {
  const letters = JSON.stringify(schemas).length;
  if (letters <= definitionLettersMax)
    return parseDagSpec(text, { schemaOf: (id) => (Object.hasOwn(schemas, id) ? schemas[id] : undefined) });
  const message = `the schemas that a definition names have at most ${definitionLettersMax} letters together`;
  return { spec: null, problems: [{ severity: "error", line: 1, column: 1, path: "", message }] };
}

/** A list is no definition, so that no text has the hash of another one with its schemas. */
const hashOf = ({ text, schemas }: Source): string => sha256Hex(schemas === undefined ? text : JSON.stringify([text, schemas]));
