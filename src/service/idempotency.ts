import { err, ok, type Result } from "../base/result.ts";
import { sha256Hex } from "../base/sha256.ts";
import { type DurationMs, type EpochMs, hourMs } from "../base/time.ts";
import type { DocumentWrite, Store } from "../store/store.ts";
import type { Clock } from "./clock.ts";
import { type Committer, changeOutsideRuns } from "./committer.ts";

/**
 * Requests that their senders may send again, named by a key. A claim on the key is on disk before anything is done, with a request id by
 * which what is done can be known again; the answer is written to it afterwards.
 *
 * INVARIANT: what is done twice with one request id has one effect. So nothing is lost and nothing happens twice when the server dies
 *  - before the claim is on disk: nothing has happened, and the next request is the first;
 *  - between claim and answer: the next request of the same key does it again with the same request id, and has the effect if it was not
 *    there, or else finds it. The sender sees a connection that broke off, and then the answer;
 *  - after the answer is on disk: the next request is answered with it.
 */
export type Idempotency = {
  /**
   * Answers as the first request of this scope and key was answered, if it had an effect, or lets `act` answer. Requests at the same time
   * get one answer. What has no effect, such as a refusal, leaves the key free; what throws leaves it in doubt, and the next request acts
   * again. Refused when the key stands for another request. A key is kept for `keptFor` (24 hours) from its first request on.
   */
  once(
    request: {
      /** Within which a key is unique: tenant and route. */
      readonly scope: readonly string[];
      readonly key: string;
      /** Equal for equal requests. */
      readonly fingerprint: string;
    },
    act: (requestId: string) => Promise<Done>,
  ): Promise<Result<string, "idempotency-key-reused">>;
  /** Forgets keys whose time is over; returns how many. */
  deleteExpired(): Promise<number>;
};

/** An answer as text. One larger than `answerLettersMax` (256 Ki) is not kept: the request is then carried out again, with one effect. */
export type Done = { readonly answer: string; readonly hadEffect: boolean };

/** What is stored of a key. */
type Claim = {
  readonly fingerprint: string;
  readonly requestId: string;
  readonly expiresAt: EpochMs;
  /** Null while it is being carried out, or was when the server died. */
  readonly answer: string | null;
};

const keptFor: DurationMs = 24 * hourMs;
const answerLettersMax = 2 ** 18;
const attemptsMax = 8;
const pageMax = 200;

const claimKind = "idempotency-key";
/** Documents that say when a claim's time is over, in that order. One for each claim, written and deleted with it. */
const expiryKind = "idempotency-expiry";

export function createIdempotency(deps: {
  readonly store: Pick<Store, "readDocument" | "listDocuments">;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
  readonly newId: () => string;
}): Idempotency {
  const { store, committer, clock, newId } = deps;
  type Answer = Awaited<ReturnType<Idempotency["once"]>>;
  const running = new Map<string, { readonly fingerprint: string; readonly answer: Promise<Answer> }>();

  const write = async (...putDocuments: readonly DocumentWrite[]): Promise<boolean> =>
    (await committer.commit(changeOutsideRuns({ putDocuments, ledger: [] }))) === "committed";

  async function carryOut(id: string, fingerprint: string, act: (requestId: string) => Promise<Done>): Promise<Answer> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const stored = await read(id);
      const isKept = stored !== null && stored.claim.expiresAt > clock.now();
      if (isKept && stored.claim.fingerprint !== fingerprint) return err("idempotency-key-reused");
      if (isKept && stored.claim.answer !== null) return ok(stored.claim.answer);
      const claim = isKept ? stored.claim : { fingerprint, requestId: newId(), expiresAt: clock.now() + keptFor, answer: null };
      const version = (stored?.version ?? 0) + (isKept ? 0 : 1);
      if (!isKept) {
        const former = stored === null ? [] : [expiryWrite(id, stored.claim, 1)];
        const claimed = await write(claimWrite(id, claim, version - 1), ...former, expiryWrite(id, claim, 0));
        // Another server was first.
        if (!claimed) continue;
      }
      const { answer, hadEffect } = await act(claim.requestId);
      if (!hadEffect) await write(claimWrite(id, null, version), expiryWrite(id, claim, 1));
      else if (answer.length <= answerLettersMax && !(await write(claimWrite(id, { ...claim, answer }, version)))) continue;
      return ok(answer);
    }
    throw new Error(`other servers change an idempotency key all the time (${attemptsMax} attempts)`);
  }

  async function read(id: string): Promise<{ readonly claim: Claim; readonly version: number } | null> {
    const stored = await store.readDocument(claimKind, id);
    return stored === null ? null : { claim: JSON.parse(Buffer.from(stored.body).toString()) as Claim, version: stored.version };
  }

  return {
    once: ({ scope, key, fingerprint }, act) => {
      const id = sha256Hex(Buffer.from(JSON.stringify([...scope, key])));
      const other = running.get(id);
      if (other !== undefined) return other.fingerprint === fingerprint ? other.answer : Promise.resolve(err("idempotency-key-reused"));
      const answer = carryOut(id, fingerprint, act).finally(() => running.delete(id));
      running.set(id, { fingerprint, answer });
      return answer;
    },
    deleteExpired: async () => {
      let deleted = 0;
      for (let after = ""; ; ) {
        const page = await store.listDocuments(expiryKind, after, pageMax);
        const due = page.filter(({ id }) => Number(id.split("/")[0]) <= clock.now());
        after = due.at(-1)?.id ?? "";
        for (const expiry of due) {
          const id = expiry.id.split("/")[1] ?? "";
          const stored = running.has(id) ? null : await read(id);
          if (stored !== null && (await write(claimWrite(id, null, stored.version), expiryWrite(id, stored.claim, 1)))) deleted++;
        }
        if (due.length < pageMax) return deleted;
      }
    },
  };
}

const claimWrite = (id: string, claim: Claim | null, expectedVersion: number): DocumentWrite => ({
  kind: claimKind,
  id,
  expectedVersion,
  body: claim === null ? null : Buffer.from(JSON.stringify(claim)),
});

/** Creates it, or deletes it. */
const expiryWrite = (id: string, { expiresAt }: Pick<Claim, "expiresAt">, expectedVersion: 0 | 1): DocumentWrite => ({
  kind: expiryKind,
  id: `${String(expiresAt).padStart(15, "0")}/${id}`,
  expectedVersion,
  body: expectedVersion === 0 ? Buffer.alloc(0) : null,
});
