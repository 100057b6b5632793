import type { EpochMs } from "../../base/time.ts";
import type { DocumentWrite, Store, StoredDocument } from "../../store/store.ts";

/* What the store keeps of workflow definitions, as JSON documents: one that changes for each workflow, and the texts, which never do. */

/** Which text is the definition of a workflow now. */
export type Workflow = {
  readonly id: string;
  /** SHA-256 of the text, hexadecimal: names the version. */
  readonly sha256: string;
  /** As it was sent. */
  readonly text: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  /** Who sent the text, as they called themselves. */
  readonly updatedBy: string;
};

export type Documents = Pick<Store, "readDocument" | "listDocuments">;
export type Versioned<T> = { readonly value: T; readonly version: number };

const kinds = { workflow: "dag-workflow", text: "dag-definition" } as const;

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

type TextBody = { readonly text: string };

/** The text of a version, also when the workflow has another one now or is deleted; null when there never was such a version. */
export async function readText(documents: Documents, of: DefinitionKey): Promise<string | null> {
  const stored = await documents.readDocument(kinds.text, idIn(of.namespaceId, of.workflowId, of.sha256));
  return stored === null ? null : read<TextBody>(stored).text;
}

export type DefinitionKey = { readonly namespaceId: string; readonly workflowId: string; readonly sha256: string };

export const textWrite = ({ namespaceId, workflowId, sha256 }: DefinitionKey, text: string): DocumentWrite => ({
  kind: kinds.text,
  id: idIn(namespaceId, workflowId, sha256),
  expectedVersion: 0,
  body: bodyOf({ text } satisfies TextBody),
});
