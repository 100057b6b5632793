import { err, ok, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import { parseDagSpec } from "../../dag/spec/parse.ts";
import type { DagSpec } from "../../dag/spec/spec.ts";
import type { Problem } from "../../language/reader.ts";
import type { Clock } from "../clock.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import {
  type DefinitionKey,
  type Documents,
  listWorkflows,
  readText,
  readWorkflow,
  textWrite,
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
};

/** A definition, compiled. */
export type Definition = { readonly key: DefinitionKey; readonly spec: DagSpec };

/** Definitions of workflows. A text never changes: what was sent is found again by its hash, whatever has been sent or deleted since. */
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
  readonly newId: () => string;
}): Definitions {
  const { documents, committer, clock, newId } = deps;
  /** By hash of the text, the one used last at the end. */
  const compiled = new Map<string, DagSpec>();

  function specOf(sha256: string, text: string): DagSpec | null {
    const known = compiled.get(sha256);
    const spec = known ?? parseDagSpec(text).spec;
    if (spec === null) return null;
    compiled.delete(sha256);
    compiled.set(sha256, spec);
    const [oldest] = compiled.keys();
    if (compiled.size > compiledMax && oldest !== undefined) compiled.delete(oldest);
    return spec;
  }

  return {
    at: async (key) => {
      // Looked for even when it is compiled: the hash of a text is no secret, and another namespace's was never sent here.
      const text = await readText(documents, key);
      const spec = text === null ? null : specOf(key.sha256, text);
      return spec === null ? null : { key, spec };
    },
    get: async (namespaceId, workflowId) => (await readWorkflow(documents, namespaceId, workflowId))?.value ?? null,
    list: async (namespaceId) => [...(await listWorkflows(documents, namespaceId, workflowsMax))].sort((a, b) => b.updatedAt - a.updatedAt),
    current: async (namespaceId, workflowId) => {
      const found = await readWorkflow(documents, namespaceId, workflowId);
      if (found === null) return null;
      const { sha256, text } = found.value;
      const spec = specOf(sha256, text);
      return spec === null ? null : { key: { namespaceId, workflowId, sha256 }, spec };
    },

    save: async (namespaceId, { text, by, seen }) => {
      const { spec, problems } = parseDagSpec(text);
      if (spec === null) return err({ kind: "invalid-workflow", problems });
      const workflowId = spec.id ?? newId();
      if (!idPattern.test(workflowId)) return err({ kind: "bad-workflow-id" });
      const key = { namespaceId, workflowId, sha256: sha256Hex(text) };
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        const before = await readWorkflow(documents, namespaceId, workflowId);
        if (seen !== null && before?.value.sha256 !== seen) return err({ kind: "workflow-changed" });
        if (before?.value.sha256 === key.sha256) return ok({ workflow: before.value, problems });
        if (before === null && (await listWorkflows(documents, namespaceId, workflowsMax)).length >= workflowsMax)
          return err({ kind: "too-many-workflows" });
        const now = clock.now();
        const createdAt = before?.value.createdAt ?? now;
        const workflow: Workflow = { id: workflowId, sha256: key.sha256, text, createdAt, updatedAt: now, updatedBy: by };
        const isNew = (await readText(documents, key)) === null;
        const putDocuments = [
          workflowWrite(namespaceId, workflowId, workflow, before?.version ?? 0),
          ...(isNew ? [textWrite(key, text)] : []),
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
