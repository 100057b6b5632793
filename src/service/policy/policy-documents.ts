import type { EpochMs } from "../../base/time.ts";
import type { Principal } from "../../governance/action.ts";
import type { DocumentWrite, Store, StoredDocument } from "../../store/store.ts";
import type { BundleSource } from "./bundle-source.ts";

/* What the store keeps of policies, as JSON documents. */

/** A bundle as people edit it over the API. It decides nothing before it is published. */
export type Draft = {
  readonly id: string;
  readonly content: string;
  readonly signature: string | null;
  /** Whether the next publication takes it up. */
  readonly enabled: boolean;
  /** As they called themselves; `by` is who the server took them for. */
  readonly author: string;
  readonly message: string;
  readonly by: Principal;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
};

/** How a snapshot came into force. Each names the snapshot before it, so that the publications are one line of history. */
export type Publication = {
  /** From 1, without gaps. */
  readonly number: number;
  readonly hash: string;
  /** The hash of the snapshot that was in force before. */
  readonly parent: string;
  /** `file`: policy files changed. `server`: another version of the server reads the same bundles in another way. */
  readonly cause: "file" | "api" | "rollback" | "server";
  /** Null when it was nobody's request. */
  readonly by: Principal | null;
  readonly author: string;
  readonly at: EpochMs;
  readonly message: string;
  readonly note: string;
  readonly bundles: readonly { readonly id: string; readonly origin: BundleSource["origin"]; readonly sha256: string }[];
};

/** The snapshot that decides. Its document's version is the number of its publication. */
export type InForce = {
  readonly hash: string;
  /** SHA-256 of the policy files when they were last taken up, by bundle id: a rollback holds until a file changes. */
  readonly files: { readonly [id: string]: string };
};

type SnapshotBody = { readonly bundles: readonly BundleSource[] };

const kinds = { inForce: "policy", draft: "policy-bundle", publication: "policy-publication", snapshot: "policy-snapshot" } as const;
const inForceId = "in-force";

export type Documents = Pick<Store, "readDocument" | "listDocuments">;

export const bodyOf = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
/** Of documents that this file wrote. */
const read = <T>({ body }: StoredDocument): T => JSON.parse(Buffer.from(body).toString()) as T;

export type Versioned<T> = { readonly value: T; readonly version: number };

export async function readInForce(documents: Documents): Promise<Versioned<InForce> | null> {
  const stored = await documents.readDocument(kinds.inForce, inForceId);
  return stored === null ? null : { value: read<InForce>(stored), version: stored.version };
}
export const inForceWrite = (inForce: InForce, expectedVersion: number): DocumentWrite => ({
  kind: kinds.inForce,
  id: inForceId,
  expectedVersion,
  body: bodyOf(inForce),
});

/** Null when no such snapshot was ever in force. */
export async function readSnapshot(documents: Documents, hash: string): Promise<readonly BundleSource[] | null> {
  const stored = await documents.readDocument(kinds.snapshot, hash);
  return stored === null ? null : read<SnapshotBody>(stored).bundles;
}
export const snapshotWrite = (hash: string, bundles: readonly BundleSource[]): DocumentWrite => ({
  kind: kinds.snapshot,
  id: hash,
  expectedVersion: 0,
  body: bodyOf({ bundles } satisfies SnapshotBody),
});

/** Ids grow downwards, so that a list begins with the newest. */
const publicationId = (number: number): string => String(10 ** 12 - number).padStart(12, "0");

export const publicationWrite = (publication: Publication): DocumentWrite => ({
  kind: kinds.publication,
  id: publicationId(publication.number),
  expectedVersion: 0,
  body: bodyOf(publication),
});
/** The newest first, beginning after the one of that number; all for null. */
export async function listPublications(documents: Documents, after: number | null, limit: number): Promise<readonly Publication[]> {
  const stored = await documents.listDocuments(kinds.publication, after === null ? "" : publicationId(after), limit);
  return stored.map((document) => read<Publication>(document));
}

export async function readDraft(documents: Documents, id: string): Promise<Versioned<Draft> | null> {
  const stored = await documents.readDocument(kinds.draft, id);
  return stored === null ? null : { value: read<Draft>(stored), version: stored.version };
}
export async function listDrafts(documents: Documents, limit: number): Promise<readonly Versioned<Draft>[]> {
  const stored = await documents.listDocuments(kinds.draft, "", limit);
  return stored.map((document) => ({ value: read<Draft>(document), version: document.version }));
}
export const draftWrite = (id: string, draft: Draft | null, expectedVersion: number): DocumentWrite => ({
  kind: kinds.draft,
  id,
  expectedVersion,
  body: draft === null ? null : bodyOf(draft),
});
