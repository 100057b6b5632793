import { err, ok, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { EpochMs } from "../../base/time.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import { type DocumentWrite, PageTokenError, type Store } from "../../store/store.ts";
import { changeDocument, jsonOf } from "../change-document.ts";
import type { Clock } from "../clock.ts";
import type { Committer } from "../committer.ts";
import { createKeyedLock } from "../keyed-lock.ts";
import { administrationEntry } from "../ledger/administration-entry.ts";
import type { Namespaces } from "../namespaces.ts";
import { type Artifact, type ArtifactOptions, type ArtifactRetention, pointerOf, roomOf } from "./artifact.ts";

export type ArtifactRefusal = "no-such-namespace" | "no-such-artifact" | "artifact-too-large" | "no-room-for-artifact" | "busy";
type Answer<T> = Promise<Result<T, ArtifactRefusal>>;

/** Which artifacts; null for any. */
export type ArtifactFilter = {
  readonly retention: ArtifactRetention | null;
  /** With a null value, those that have it at all. */
  readonly label: { readonly name: string; readonly value: string | null } | null;
};

/**
 * Files that jobs and people hand to each other by pointers. One belongs to the namespace that it was sent to, and no other ever reads it. It
 * is gone when its retention is over.
 */
export type Artifacts = {
  /** Of one content, at most. */
  readonly bytesMax: number;
  /**
   * Asked twice with one `id`, a random UUID, it is one artifact. Refused when the content is larger than `bytesMax` here or in the options, or
   * when the artifacts of the namespace would be larger than `totalBytesMax` together.
   */
  save(
    namespace: string,
    save: Pick<Artifact, "id" | "contentType" | "retention" | "labels"> & {
      readonly content: Uint8Array;
      readonly by: string;
      readonly bytesMax: number;
    },
  ): Answer<Artifact>;
  /** With the bytes as they were sent. */
  get(namespace: string, id: string): Answer<{ readonly artifact: Artifact; readonly content: Uint8Array }>;
  /**
   * The newest first, at most `limit`. With a filter a page may have fewer though more follow: `lookedAtMax` (500) are looked at. `next` is
   * null on the last. Rejects with PageTokenError if `after` is none.
   */
  list(
    namespace: string,
    page: { readonly filter: ArtifactFilter; readonly limit: number; readonly after: string | null },
  ): Answer<{ readonly artifacts: readonly Artifact[]; readonly next: string | null }>;
  remove(namespace: string, remove: { readonly id: string; readonly by: string }): Answer<void>;
  /** Deletes those whose time is over; returns how many. */
  deleteExpired(): Promise<number>;
};

/** How much the artifacts of a namespace take. A document of its own, so that those who save at once compete on it. */
type Room = { readonly taken: number };

const lookedAtMax = 500;
const expiredPageMax = 200;

/** An artifact is four documents that come and go together, and the room of its namespace. Only that of its content is ever large. */
const kinds = {
  artifact: "artifact",
  content: "artifact-content",
  /** The newest first. */
  listed: "artifact-listed",
  /** The one that expires first first. */
  expiry: "artifact-expiry",
  room: "artifact-room",
} as const;

// A namespace's id has no `/`, so that one namespace never reads what another one wrote.
const idIn = (namespaceId: string, id: string): string => `${namespaceId}/${id}`;
const timeMax = 10 ** 15;
const digits = (time: number): string => String(time).padStart(16, "0");
const positionOf = ({ createdAt, id }: Artifact): string => `${digits(timeMax - createdAt)}-${id}`;
const positionPattern = /^\d{16}-[0-9a-f-]{36}$/;

export function createArtifacts(deps: {
  readonly store: Pick<Store, "readDocument" | "listDocuments">;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
  readonly namespaces: Pick<Namespaces, "get">;
  readonly options: ArtifactOptions;
}): Artifacts {
  const { store, clock, namespaces, options } = deps;
  const inTurn = createKeyedLock();

  const within = async <T>(namespace: string, ask: (namespaceId: string) => Answer<T>): Answer<T> => {
    const found = namespaces.get(namespace);
    return found.ok ? ask(found.value.id) : err("no-such-namespace");
  };

  const read = async (namespaceId: string, id: string): Promise<Artifact | null> => {
    const stored = await store.readDocument(kinds.artifact, idIn(namespaceId, id));
    return stored === null ? null : jsonOf<Artifact>(stored);
  };
  const isThere = ({ expiresAt }: Artifact): boolean => expiresAt > clock.now();

  /** Decides on what there is of an artifact and on the room that is taken, one request after the other. */
  const change = <A>(
    namespaceId: string,
    id: string,
    decide: (before: Artifact | null, room: Room) => Result<Changed<A>, ArtifactRefusal>,
  ): Answer<A> =>
    inTurn.run(namespaceId, () =>
      changeDocument<Room, A, ArtifactRefusal>(deps, { kind: kinds.room, id: namespaceId, busy: "busy" }, async (room) => {
        const decided = decide(await read(namespaceId, id), room ?? { taken: 0 });
        if (!decided.ok) return decided;
        const { taken, ...rest } = decided.value;
        return ok({ ...rest, value: taken === 0 ? null : { taken } });
      }),
    );

  const remove = (namespaceId: string, id: string, { by, isWanted }: Removal): Answer<void> =>
    change(namespaceId, id, (before, { taken }) => {
      if (before === null || !isWanted(before)) return err("no-such-artifact");
      const act = by === null ? "artifact-expired" : "artifact-deleted";
      return ok({
        taken: taken - roomOf(before),
        answer: undefined,
        also: deletion(namespaceId, before),
        ledger: entriesOf(namespaceId, before, { act, by, at: clock.now() }),
      });
    });

  return {
    bytesMax: options.bytesMax,

    save: (namespace, { id, content, contentType, retention, labels, by, bytesMax }) =>
      within(namespace, async (namespaceId) => {
        if (content.length > Math.min(bytesMax, options.bytesMax)) return err("artifact-too-large");
        const sha256 = sha256Hex(content);
        return change<Artifact>(namespaceId, id, (before, { taken }) => {
          if (before !== null) return ok({ taken, answer: before });
          const at = clock.now();
          const expiresAt = at + options.retention[retention];
          const saved = { id, contentType, size: content.length, sha256, retention, labels, createdBy: by, createdAt: at, expiresAt };
          if (taken + roomOf(saved) > options.totalBytesMax) return err("no-room-for-artifact");
          return ok({
            taken: taken + roomOf(saved),
            answer: saved,
            also: creation(namespaceId, saved, content),
            ledger: entriesOf(namespaceId, saved, { act: "artifact-saved", by, at }),
          });
        });
      }),

    get: (namespace, id) =>
      within(namespace, async (namespaceId) => {
        const artifact = await read(namespaceId, id);
        if (artifact === null || !isThere(artifact)) return err("no-such-artifact");
        const content = await store.readDocument(kinds.content, idIn(namespaceId, id));
        // Deleted in between.
        return content === null ? err("no-such-artifact") : ok({ artifact, content: content.body });
      }),

    list: (namespace, { filter, limit, after }) =>
      within(namespace, async (namespaceId) => {
        if (after !== null && !positionPattern.test(after)) throw new PageTokenError(`no position in a list of artifacts: ${after}`);
        const stored = await store.listDocuments(kinds.listed, idIn(namespaceId, after ?? ""), lookedAtMax);
        const own = stored.filter(({ id }) => id.startsWith(idIn(namespaceId, ""))).map((document) => jsonOf<Artifact>(document));
        const wanted = own.filter((artifact) => isThere(artifact) && fits(artifact, filter));
        const artifacts = wanted.slice(0, limit);
        const isMore = wanted.length > limit || own.length === lookedAtMax;
        const last = wanted.length > limit ? artifacts.at(-1) : own.at(-1);
        return ok({ artifacts, next: isMore && last !== undefined ? positionOf(last) : null });
      }),

    remove: (namespace, { id, by }) => within(namespace, (namespaceId) => remove(namespaceId, id, { by, isWanted: isThere })),

    deleteExpired: async () => {
      let deleted = 0;
      for (let after = ""; ; ) {
        const page = await store.listDocuments(kinds.expiry, after, expiredPageMax);
        for (const expiry of page) {
          const [time, namespaceId = "", id = ""] = expiry.id.split("/");
          if (Number(time) > clock.now()) return deleted;
          after = expiry.id;
          const removed = await remove(namespaceId, id, { by: null, isWanted: (artifact) => !isThere(artifact) });
          if (removed.ok) deleted++;
        }
        if (page.length < expiredPageMax) return deleted;
      }
    },
  };
}

type Changed<A> = {
  readonly taken: number;
  readonly answer: A;
  readonly also?: readonly DocumentWrite[];
  readonly ledger?: readonly LedgerEntry[];
};
/** Nobody removes what has expired but the server. */
type Removal = { readonly by: string | null; readonly isWanted: (artifact: Artifact) => boolean };

const fits = ({ retention, labels }: Artifact, filter: ArtifactFilter): boolean => {
  if (filter.retention !== null && filter.retention !== retention) return false;
  if (filter.label === null) return true;
  const { name, value } = filter.label;
  return Object.hasOwn(labels, name) && (value === null || labels[name] === value);
};

const parts = ["artifact", "content", "listed", "expiry"] as const;
type Part = (typeof parts)[number];

const placesOf = (namespaceId: string, artifact: Artifact): { readonly [P in Part]: string } => ({
  artifact: idIn(namespaceId, artifact.id),
  content: idIn(namespaceId, artifact.id),
  listed: idIn(namespaceId, positionOf(artifact)),
  expiry: `${digits(artifact.expiresAt)}/${idIn(namespaceId, artifact.id)}`,
});

function creation(namespaceId: string, artifact: Artifact, content: Uint8Array): readonly DocumentWrite[] {
  const json = Buffer.from(JSON.stringify(artifact));
  const bodies = { artifact: json, content, listed: json, expiry: Buffer.alloc(0) };
  const places = placesOf(namespaceId, artifact);
  return parts.map((part) => ({ kind: kinds[part], id: places[part], expectedVersion: 0, body: bodies[part] }));
}

function deletion(namespaceId: string, artifact: Artifact): readonly DocumentWrite[] {
  const places = placesOf(namespaceId, artifact);
  return parts.map((part) => ({ kind: kinds[part], id: places[part], expectedVersion: 1, body: null }));
}

/** Of what is kept for audit. */
function entriesOf(
  namespaceId: string,
  artifact: Artifact,
  {
    act,
    by,
    at,
  }: { readonly act: "artifact-saved" | "artifact-deleted" | "artifact-expired"; readonly by: string | null; readonly at: EpochMs },
): readonly LedgerEntry[] {
  if (artifact.retention !== "audit") return [];
  const { sha256, size, contentType } = artifact;
  const said = { act, by, artifact_ptr: pointerOf(artifact), sha256, size_bytes: size, content_type: contentType };
  return [administrationEntry({ namespaceId, at }, said)];
}
