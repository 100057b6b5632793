import { dayMs, type EpochMs } from "../../base/time.ts";
import { latestCheckpoint } from "../../governance/ledger/checkpoint.ts";
import {
  type Change,
  type DocumentWrite,
  type HistoryBatch,
  type HoldingKey,
  type ItemKey,
  type NamespaceRecord,
  type OutboxEntry,
  type RunKey,
  type RunWrite,
  type Store,
  type StoredApproval,
  type StoredDocument,
  type StoredHolding,
  StoreError,
} from "../store.ts";
import { type KeyRing, openKeyRing, ringDocument, type Usage } from "./key-ring.ts";
import type { MasterKey } from "./master-key.ts";
import { type DataKey, isSealed, seal, unseal } from "./sealed-blob.ts";

export type EncryptionOptions = {
  /** The newest first, at least one. */
  readonly masterKeys: readonly MasterKey[];
  readonly usage?: Partial<Usage>;
  readonly now?: () => EpochMs;
  /** Hears of each body that is not what was written there. */
  readonly refused: (place: Place) => void;
};

/** What a body is and whose: the table, then the key of its row. It is bound into the encryption, so that no body can stand in for another. */
export type Place = readonly (string | number)[];

export type EncryptedStore = {
  readonly store: Store;
  /** The fingerprint of the master key in use. */
  readonly masterKey: string;
  /** That of the one it replaces since this opening, which is not needed any more; null for none. */
  readonly rewrappedFrom: string | null;
  readonly dataKeys: number;
  /** Whether what is stored in plain is read: the database had content before it was encrypted. */
  readonly acceptsPlaintext: boolean;
};

/** Far below what AES-GCM bears with random nonces (NIST SP 800-38D allows 2^32 encryptions per key). */
const defaultUsage: Usage = { dataKeyAge: 30 * dayMs, encryptionsMax: 2 ** 30, reservedAtOnce: 2 ** 20 };

/** Documents that are read without a key: the data keys themselves, and the statement with which a file's ledger is verified offline. */
const plainKinds: readonly string[] = [ringDocument.kind, latestCheckpoint.kind];

/**
 * A store that keeps every opaque body of `inner` encrypted: state, items, history, what lists return, outbox, approvals, holdings, documents and
 * namespaces. Keys of rows, names of types and queues, times, statuses, search attributes, limits and the ledger stay readable, since they are
 * what the store finds rows by.
 *
 * A body is bound to its place, and to its row's version where readers know it. One that is not what was written there is never given out: the
 * call rejects with a StoreError and `refused` hears of it.
 * A database that has content when its first key comes keeps it as it is, and encrypts what is written from then on.
 * Refusals (StoreError): no master key fits; the data keys are damaged or gone. Nothing is written then.
 */
export async function openEncrypted(
  inner: Store,
  { masterKeys, usage, now = Date.now, refused }: EncryptionOptions,
): Promise<EncryptedStore> {
  const { ring, ...opened } = await openKeyRing(inner, {
    masterKeys,
    usage: { ...defaultUsage, ...usage },
    now,
    isNew: () => isNew(inner),
  });
  return { ...opened, acceptsPlaintext: ring.acceptsPlaintext, store: encrypting(inner, ring, refused) };
}

/** Refuses (StoreError) a store that is encrypted, when there is no key for it. */
export async function refuseEncrypted(store: Store): Promise<void> {
  if ((await store.readDocument(ringDocument.kind, ringDocument.id)) !== null)
    throw new StoreError("the database is encrypted and no key is given: set `encryption.keyFile` or HOLDFAST_ENCRYPTION_KEY");
}

/** Whether nothing was ever written to the store. Refuses one whose content is encrypted with keys that it has lost. */
async function isNew(store: Store): Promise<boolean> {
  const namespaces = await store.readNamespaces();
  if (namespaces.some(({ body }) => isSealed(body)))
    throw new StoreError("the database is encrypted and its data keys are gone: restore a backup");
  const { heads } = await store.readChains({ namespaceId: null, after: null, limit: 1 });
  return namespaces.length === 0 && heads.length === 0 && (await store.readRuns("", 1)).length === 0;
}

function encrypting(inner: Store, ring: KeyRing, refused: (place: Place) => void): Store {
  function opened(stored: Uint8Array, place: Place): Uint8Array {
    if (ring.acceptsPlaintext && !isSealed(stored)) return stored;
    const plain = unseal(ring.keyOf, stored, JSON.stringify(place));
    if (plain !== null) return plain;
    refused(place);
    throw new StoreError(
      `what is stored as ${JSON.stringify(place)} is not what was encrypted there: it was changed or moved, or its key is not among the data keys`,
    );
  }

  /** The key for so many encryptions. It is there at once but for one time in a million, so that commits keep their order. */
  const keyFor = (encryptions: number): DataKey | Promise<DataKey> => ring.take(encryptions) ?? renewed(encryptions);
  async function renewed(encryptions: number): Promise<DataKey> {
    for (;;) {
      await ring.renew(encryptions);
      const key = ring.take(encryptions);
      if (key !== null) return key;
    }
  }

  const openedBatch =
    (run: RunKey) =>
    (batch: HistoryBatch): HistoryBatch => ({ ...batch, bytes: opened(batch.bytes, places.history(run, batch)) });
  const openedApproval = (approval: StoredApproval): StoredApproval => ({
    ...approval,
    body: opened(approval.body, places.approval(approval)),
  });
  const openedDocument = (document: StoredDocument): StoredDocument =>
    plainKinds.includes(document.kind) ? document : { ...document, body: opened(document.body, places.document(document)) };

  // Named one by one: what the port gains does not compile before it is decided here what of it is encrypted.
  return {
    currentRunId: inner.currentRunId,
    readTasks: inner.readTasks,
    hasTask: inner.hasTask,
    readQueues: inner.readQueues,
    readWakes: inner.readWakes,
    countExecutions: inner.countExecutions,
    countApprovals: inner.countApprovals,
    readLedger: inner.readLedger,
    readChains: inner.readChains,
    readChain: inner.readChain,
    readBudgets: inner.readBudgets,
    readClosedRuns: inner.readClosedRuns,
    deleteRuns: inner.deleteRuns,
    readRuns: inner.readRuns,
    sizeBytes: inner.sizeBytes,
    close: inner.close,

    async commit(changes) {
      const key = keyFor(changes.reduce((sum, change) => sum + bodiesIn(change), 0));
      const dataKey = key instanceof Promise ? await key : key;
      return inner.commit(changes.map((change) => sealedChange(change, dataKey)));
    },

    async loadRun(key) {
      const run = await inner.loadRun(key);
      if (run === null) return null;
      return {
        ...run,
        core: opened(run.core, places.core(key, run.version)),
        items: run.items.map((item) => ({ ...item, value: opened(item.value, places.item(key, item)) })),
      };
    },
    readHistory: async (key, range) => (await inner.readHistory(key, range)).map(openedBatch(key)),
    readHistoryReverse: async (key, range) => (await inner.readHistoryReverse(key, range)).map(openedBatch(key)),

    readOutbox: async (afterOrder, limit) =>
      (await inner.readOutbox(afterOrder, limit)).map((entry) => ({ ...entry, body: opened(entry.body, places.outbox(entry)) })),

    async listExecutions(page) {
      const { executions, next } = await inner.listExecutions(page);
      return { executions: executions.map(({ key, info }) => ({ key, info: opened(info, places.visibility(key)) })), next };
    },

    async readApproval(id) {
      const approval = await inner.readApproval(id);
      return approval === null ? null : openedApproval(approval);
    },
    async listApprovals(page) {
      const { approvals, next } = await inner.listApprovals(page);
      return { approvals: approvals.map(openedApproval), next };
    },

    async readDocument(kind, id) {
      const document = await inner.readDocument(kind, id);
      return document === null ? null : openedDocument(document);
    },
    listDocuments: async (kind, afterId, limit) => (await inner.listDocuments(kind, afterId, limit)).map(openedDocument),

    readHoldings: async (after, limit) =>
      (await inner.readHoldings(after, limit)).map((holding) => ({ ...holding, body: opened(holding.body, places.holding(holding)) })),

    readNamespaces: async () =>
      (await inner.readNamespaces()).map((record) => ({ ...record, body: opened(record.body, places.namespace(record)) })),
    async putNamespace(record, ledger) {
      const key = keyFor(1);
      const dataKey = key instanceof Promise ? await key : key;
      return inner.putNamespace({ ...record, body: sealed(record.body, dataKey, places.namespace(record)) }, ledger);
    },
  };
}

const runParts = ({ namespaceId, workflowId, runId }: RunKey) => [namespaceId, workflowId, runId] as const;

/** INVARIANT: what is in a place is known to who writes there and to who reads it, and no two bodies that are stored at one time share one. */
const places = {
  core: (key: RunKey, version: number) => ["run", ...runParts(key), version],
  item: (key: RunKey, { kind, id }: ItemKey) => ["item", ...runParts(key), kind, id],
  history: (key: RunKey, { firstEventId, eventCount }: HistoryBatch) => ["history", ...runParts(key), firstEventId, eventCount],
  visibility: (key: RunKey) => ["visibility", ...runParts(key)],
  outbox: ({ run, kind, id, order }: OutboxEntry) => ["outbox", ...runParts(run), kind, id, order],
  approval: ({ id, version, status }: Omit<StoredApproval, "body">) => ["approval", id, version, status],
  document: ({ kind, id, version }: Omit<StoredDocument, "body">) => ["document", kind, id, version],
  holding: ({ run, scheduledEventId }: HoldingKey) => ["holding", ...runParts(run), scheduledEventId],
  namespace: ({ id, version }: NamespaceRecord) => ["namespace", id, version],
} as const satisfies { readonly [table: string]: (...of: never[]) => Place };

const sealed = (plain: Uint8Array, key: DataKey, place: Place): Uint8Array => seal(key, plain, JSON.stringify(place));

/** At most this many encryptions are needed for a change. */
const bodiesIn = ({ runs, putOutbox, putApprovals, putDocuments, limits }: Change): number =>
  runs.reduce((sum, { putItems, history }) => sum + 2 + putItems.length + history.length, 0) +
  putOutbox.length +
  putApprovals.length +
  putDocuments.length +
  (limits?.putHoldings.length ?? 0);

function sealedChange(change: Change, key: DataKey): Change {
  // The same holds for a change.
  const { runs, putTasks, deleteTasks, putOutbox, deleteOutbox, putApprovals, putDocuments, ledger, limits, ...rest } = change;
  rest satisfies { readonly [part: string]: never };
  return {
    runs: runs.map((run) => sealedRun(run, key)),
    putTasks,
    deleteTasks,
    putOutbox: putOutbox.map((entry) => ({ ...entry, body: sealed(entry.body, key, places.outbox(entry)) })),
    deleteOutbox,
    putApprovals: putApprovals.map((approval) => ({
      ...approval,
      body: sealed(approval.body, key, places.approval({ ...approval, version: approval.expectedVersion + 1 })),
    })),
    putDocuments: putDocuments.map((document) => sealedDocument(document, key)),
    ledger,
    ...(limits === undefined
      ? {}
      : { limits: { ...limits, putHoldings: limits.putHoldings.map((holding) => sealedHolding(holding, key)) } }),
  };
}

const sealedHolding = (holding: StoredHolding, key: DataKey): StoredHolding => ({
  ...holding,
  body: sealed(holding.body, key, places.holding(holding)),
});

function sealedRun(run: RunWrite, key: DataKey): RunWrite {
  const { key: of, visibility } = run;
  return {
    ...run,
    core: sealed(run.core, key, places.core(of, run.expectedVersion + 1)),
    putItems: run.putItems.map((item) => ({ ...item, value: sealed(item.value, key, places.item(of, item)) })),
    history: run.history.map((batch) => ({ ...batch, bytes: sealed(batch.bytes, key, places.history(of, batch)) })),
    visibility: visibility && { ...visibility, info: sealed(visibility.info, key, places.visibility(of)) },
  };
}

function sealedDocument(document: DocumentWrite, key: DataKey): DocumentWrite {
  const { kind, id, expectedVersion, body } = document;
  if (body === null || plainKinds.includes(kind)) return document;
  return { ...document, body: sealed(body, key, places.document({ kind, id, version: expectedVersion + 1 })) };
}
