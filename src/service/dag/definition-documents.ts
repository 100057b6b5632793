import type { EpochMs } from "../../base/time.ts";
import type { Json } from "../../dag/json.ts";
import type { DocumentWrite, Store, StoredDocument } from "../../store/store.ts";

/* What the store keeps of workflow definitions, as JSON documents: one that changes for each workflow, and the sources, which never do. */

/** What a definition is compiled from. */
export type Source = {
  /** As it was sent. */
  readonly text: string;
  /** Those that the text names, by their ids, as they were when it was sent. Absent when it names none. */
  readonly schemas?: { readonly [id: string]: Json };
};

/** Which text is the definition of a workflow now. */
export type Workflow = Source & {
  readonly id: string;
  /** SHA-256 of the source, hexadecimal: names the version. */
  readonly sha256: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** Who sent the text, as they called themselves. */
  readonly updatedBy: string;
};

export type Documents = Pick<Store, "readDocument" | "listDocuments">;
export type Versioned<T> = { readonly value: T; readonly version: number };

const kinds = { workflow: "dag-workflow", source: "dag-definition" } as const;

/** A namespace's id has no `/`, so that one namespace never reads what another one wrote. */
const idIn = (namespaceId: string, ...parts: readonly string[]): string => [namespaceId, ...parts].join("/");
const bodyOf = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
/** Of documents that this file wrote. */
const read = <T>({ body }: StoredDocument): T => JSON.parse(Buffer.from(body).toString()) as T;

export async function readWorkflow(documents: Documents, namespaceId: string, id: string): Promise<Versioned<Workflow> | null> {
  const stored = await documents.readDocument(kinds.workflow, idIn(namespaceId, id));
  return stored === null ? null : { value: read<Workflow>(stored), version: stored.version };
}

/** By id; at most `limit`. */
export async function listWorkflows(documents: Documents, namespaceId: string, limit: number): Promise<readonly Workflow[]> {
  const stored = await documents.listDocuments(kinds.workflow, idIn(namespaceId, ""), limit);
  return stored.filter(({ id }) => id.startsWith(idIn(namespaceId, ""))).map((document) => read<Workflow>(document));
}

export const workflowWrite = (namespaceId: string, id: string, workflow: Workflow | null, expectedVersion: number): DocumentWrite => ({
  kind: kinds.workflow,
  id: idIn(namespaceId, id),
  expectedVersion,
  body: workflow === null ? null : bodyOf(workflow),
});

/** The source of a version, also when the workflow has another one now or is deleted; null when there never was such a version. */
export async function readSource(documents: Documents, of: DefinitionKey): Promise<Source | null> {
  const stored = await documents.readDocument(kinds.source, idIn(of.namespaceId, of.workflowId, of.sha256));
  return stored === null ? null : read<Source>(stored);
}

export type DefinitionKey = { readonly namespaceId: string; readonly workflowId: string; readonly sha256: string };

export const sourceWrite = ({ namespaceId, workflowId, sha256 }: DefinitionKey, source: Source): DocumentWrite => ({
  kind: kinds.source,
  id: idIn(namespaceId, workflowId, sha256),
  expectedVersion: 0,
  body: bodyOf(source),
});
