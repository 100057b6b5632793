import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { assert, present } from "../../base/assert.ts";
import type { DurationMs, EpochMs } from "../../base/time.ts";
import { type Change, type Store, StoreError } from "../store.ts";
import { keyBytes, type MasterKey } from "./master-key.ts";
import { type DataKey, seal, unseal } from "./sealed-blob.ts";

/** The one document that is wrapped by a master key instead of a data key. */
export const ringDocument = { kind: "encryption-keys", id: "ring" } as const;

/** How long and how often a data key is used. */
export type Usage = {
  readonly dataKeyAge: DurationMs;
  /** Encryptions per data key. */
  readonly encryptionsMax: number;
  /** Encryptions that one write of the ring allows for: what a crash leaves of them is never used. */
  readonly reservedAtOnce: number;
};

/** The data keys of a database, in memory. */
export type KeyRing = {
  /** Whether blobs that are not encrypted are to be believed: they were there before the keys. */
  readonly acceptsPlaintext: boolean;
  readonly keyOf: (id: number) => KeyObject | undefined;
  /** The key for this many encryptions, which are counted as done; null when one has to `renew` first. */
  take(encryptions: number): DataKey | null;
  /** Makes room for this many encryptions, under a new data key if the newest has served its time. Its trace is on disk before it resolves. */
  renew(encryptions: number): Promise<void>;
};

/** As it is stored, wrapped by a master key. */
type Ring = {
  readonly acceptsPlaintext: boolean;
  /** Oldest first. All of them are kept: nobody knows what is still encrypted with them. */
  readonly keys: readonly StoredKey[];
};
type StoredKey = {
  readonly id: number;
  /** base64 */
  readonly key: string;
  readonly madeAt: EpochMs;
  /** More than this many encryptions were not made with it. */
  readonly encryptions: number;
};
/** The document's body, as JSON. */
type WrappedRing = {
  readonly version: 1;
  /** The fingerprint of the master key. */
  readonly masterKey: string;
  /** A sealed blob of the ring's JSON, in base64. */
  readonly ring: string;
};

export type OpenedRing = {
  readonly ring: KeyRing;
  readonly dataKeys: number;
  /** The master key that wraps the ring, and the one that did until now; null when it is the same. */
  readonly masterKey: string;
  readonly rewrappedFrom: string | null;
};

/**
 * Reads the ring with whichever master key fits and wraps it anew under the first, or begins one. A change of the master key also begins a new data
 * key: whoever had the old one may have the data keys of its time.
 */
export async function openKeyRing(
  store: Store,
  {
    masterKeys,
    usage,
    now,
    isNew,
  }: { readonly masterKeys: readonly MasterKey[]; readonly usage: Usage; readonly now: () => EpochMs; isNew(): Promise<boolean> },
): Promise<OpenedRing> {
  const masterKey = present(masterKeys[0], "master key");
  const stored = await store.readDocument(ringDocument.kind, ringDocument.id);
  const wrappedBy = stored === null ? null : fingerprintOf(stored.body);
  const isRewrap = wrappedBy !== null && wrappedBy !== masterKey.fingerprint;

  let version = stored?.version ?? 0;
  let ring: Ring = stored === null ? { acceptsPlaintext: !(await isNew()), keys: [] } : unwrapped(stored.body, masterKeys);
  let keys = keyObjects(ring);
  // What the process before us did with the newest key nobody knows, but for the most that it can be.
  let used = ring.keys.at(-1)?.encryptions ?? 0;
  let writing: Promise<void> | null = null;
  if (stored === null || isRewrap) await write(withNewKey(usage.reservedAtOnce));

  async function write(next: Ring): Promise<void> {
    const [outcome] = await store.commit([changeOfRing(version, wrapped(next, masterKey))]);
    if (outcome !== "committed") throw new StoreError("the data keys of the database were changed by another process: restart this one");
    if (next.keys.length > ring.keys.length) used = 0;
    version += 1;
    ring = next;
    keys = keyObjects(next);
  }

  function withNewKey(encryptions: number): Ring {
    const id = (ring.keys.at(-1)?.id ?? 0) + 1;
    const key = randomBytes(keyBytes).toString("base64");
    return { ...ring, keys: [...ring.keys, { id, key, madeAt: now(), encryptions }] };
  }

  /** The ring with room for so many encryptions more. */
  function extended(encryptions: number): Ring {
    const newest = present(ring.keys.at(-1), "newest data key");
    const more = Math.max(encryptions, usage.reservedAtOnce);
    if (isTooOld(newest) || newest.encryptions + more > usage.encryptionsMax) return withNewKey(more);
    return { ...ring, keys: [...ring.keys.slice(0, -1), { ...newest, encryptions: newest.encryptions + more }] };
  }

  const isTooOld = ({ madeAt }: StoredKey): boolean => now() >= madeAt + usage.dataKeyAge;

  return {
    dataKeys: ring.keys.length,
    masterKey: masterKey.fingerprint,
    rewrappedFrom: isRewrap ? wrappedBy : null,
    ring: {
      acceptsPlaintext: ring.acceptsPlaintext,
      keyOf: (id) => keys.get(id),
      take(encryptions) {
        const newest = present(ring.keys.at(-1), "newest data key");
        if (used + encryptions > newest.encryptions || isTooOld(newest)) return null;
        used += encryptions;
        return { id: newest.id, key: present(keys.get(newest.id), "newest data key") };
      },
      async renew(encryptions) {
        writing ??= write(extended(encryptions)).finally(() => {
          writing = null;
        });
        await writing;
      },
    },
  };
}

const keyObjects = ({ keys }: Ring): ReadonlyMap<number, KeyObject> =>
  new Map(keys.map(({ id, key }) => [id, createSecretKey(Buffer.from(key, "base64"))]));

const place = JSON.stringify([ringDocument.kind, ringDocument.id]);
/** The id in the blob of the ring itself, which no data key has. */
const masterKeyId = 0;

function wrapped(ring: Ring, { fingerprint, key }: MasterKey): Uint8Array {
  const sealed = seal({ id: masterKeyId, key }, Buffer.from(JSON.stringify(ring)), place);
  const body: WrappedRing = { version: 1, masterKey: fingerprint, ring: Buffer.from(sealed).toString("base64") };
  return Buffer.from(JSON.stringify(body));
}

function unwrapped(body: Uint8Array, masterKeys: readonly MasterKey[]): Ring {
  const outer = read(body);
  const masterKey = masterKeys.find(({ fingerprint }) => fingerprint === outer.masterKey);
  if (masterKey === undefined) {
    const given = masterKeys.map(({ fingerprint }) => fingerprint).join(", ");
    throw new StoreError(
      `the database is encrypted under master key ${outer.masterKey}, which is none of those given (${given}): give it too`,
    );
  }
  const ring = unseal((id) => (id === masterKeyId ? masterKey.key : undefined), Buffer.from(outer.ring, "base64"), place);
  if (ring === null) throw damaged();
  // What the master key has sealed is ours.
  return JSON.parse(Buffer.from(ring).toString()) as Ring;
}

const fingerprintOf = (body: Uint8Array): string => read(body).masterKey;

function read(body: Uint8Array): WrappedRing {
  try {
    const outer = JSON.parse(Buffer.from(body).toString()) as Partial<WrappedRing>;
    assert(outer.version === 1 && typeof outer.masterKey === "string" && typeof outer.ring === "string", "form of the data keys");
    return { version: 1, masterKey: outer.masterKey, ring: outer.ring };
  } catch {
    throw damaged();
  }
}

const damaged = (): StoreError => new StoreError("the data keys of the database are damaged or of a newer version: restore a backup");

const changeOfRing = (expectedVersion: number, body: Uint8Array): Change => ({
  runs: [],
  putTasks: [],
  deleteTasks: [],
  putOutbox: [],
  deleteOutbox: [],
  putApprovals: [],
  putDocuments: [{ ...ringDocument, expectedVersion, body }],
  ledger: [],
});
