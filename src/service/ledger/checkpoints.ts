import type { KeyObject } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { err, ok, type Result } from "../../base/result.ts";
import type { DurationMs } from "../../base/time.ts";
import {
  type Checkpoint,
  checkpointNamespaceId,
  decodeCheckpoint,
  encodeCheckpoint,
  latestCheckpoint,
  nextCheckpoint,
  nothingSealed,
  type Sealed,
  sealedWith,
} from "../../governance/ledger/checkpoint.ts";
import type { ChainHead } from "../../governance/ledger/ledger.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Clock } from "../clock.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import { createKeyedLock } from "../keyed-lock.ts";

export type CheckpointOptions = {
  /** Ed25519. */
  readonly privateKey: KeyObject;
  readonly interval: DurationMs;
  /** To which each checkpoint is appended as a line of JSON; null for none. */
  readonly file: string | null;
};

/** Signs from time to time where the chains of the ledger end. */
export type Checkpoints = {
  /** Seals what the ledger holds, and returns the newest checkpoint: an older one when nothing was added since. Null when the ledger is empty. */
  make(): Promise<Result<Checkpoint | null, "no-checkpoint-key">>;
  /** Seals what is there a last time: a restart begins new chains. */
  stop(): Promise<void>;
};

/** Without a key. */
export const noCheckpoints: Checkpoints = { make: async () => err("no-checkpoint-key"), stop: async () => {} };

const pageSize = 500;
const attemptsMax = 5;

export function startCheckpoints(
  { privateKey, interval, file }: CheckpointOptions,
  deps: {
    readonly store: Pick<Store, "readChains" | "readChain" | "readDocument">;
    readonly committer: Pick<Committer, "commit">;
    readonly clock: Clock;
    readonly log: Log;
  },
): Checkpoints {
  const { store, committer, clock, log } = deps;
  const lock = createKeyedLock();
  let stopped = false;
  let cancel = () => {};
  /** Null while it has to be read. */
  let known: { readonly sealed: Sealed; readonly newest: Checkpoint | null; readonly version: number } | null = null;

  async function recover(): Promise<NonNullable<typeof known>> {
    let sealed = nothingSealed;
    let newest: Checkpoint | null = null;
    const add = (checkpoint: Checkpoint) => {
      sealed = sealedWith(sealed, checkpoint);
      if (checkpoint.number === sealed.number) newest = checkpoint;
    };
    for await (const checkpoint of checkpointsIn(store)) add(checkpoint);
    const stored = await store.readDocument(latestCheckpoint.kind, latestCheckpoint.id);
    const latest = stored === null ? null : decodeCheckpoint(stored.body);
    if (latest !== null && latest.number > sealed.number) {
      log.error("the ledger has lost checkpoints: verify it", { last: sealed.number, lost: latest.number });
      add(latest);
    }
    return { sealed, newest, version: stored?.version ?? 0 };
  }

  async function seal(): Promise<Checkpoint | null> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const { sealed, newest, version } = known ?? (await recover());
      known = { sealed, newest, version };
      const checkpoint = nextCheckpoint(sealed, { heads: await headsOf(store), at: clock.now(), privateKey });
      if (checkpoint === null) return newest;
      const body = encodeCheckpoint(checkpoint);
      const outcome = await committer.commit(
        changeOutsideRuns({
          putDocuments: [{ ...latestCheckpoint, expectedVersion: version, body }],
          ledger: [{ namespaceId: checkpointNamespaceId, at: checkpoint.at, kind: "checkpoint", runId: null, body }],
        }),
      );
      if (outcome === "committed") {
        known = { sealed: sealedWith(sealed, checkpoint), newest: checkpoint, version: version + 1 };
        await keep(body);
        return checkpoint;
      }
      // Another server on this database has made one.
      known = null;
    }
    throw new Error(`others made checkpoints at the same moment, ${attemptsMax} times`);
  }

  async function keep(body: Uint8Array): Promise<void> {
    if (file === null) return;
    try {
      await appendFile(file, `${Buffer.from(body)}\n`, { flush: true });
    } catch (error) {
      // The next one pins everything before it as well.
      log.error("cannot append a checkpoint to its file", { file }, error);
    }
  }

  const make = () => lock.run("seal", seal);
  const makeOrTell = () => make().catch((error: unknown) => log.error("cannot make a checkpoint of the ledger", {}, error));
  const later = () => {
    if (!stopped) cancel = clock.schedule(clock.now() + interval, () => void makeOrTell().finally(later));
  };
  later();
  return {
    make: async () => ok(await make()),
    stop: async () => {
      stopped = true;
      cancel();
      await makeOrTell();
    },
  };
}

/** Heads of all chains but those of checkpoints, which hold each other. */
async function headsOf(store: Pick<Store, "readChains">): Promise<readonly ChainHead[]> {
  const heads: ChainHead[] = [];
  for (let after: string | null = null; ; ) {
    const page: Awaited<ReturnType<Store["readChains"]>> = await store.readChains({ namespaceId: null, after, limit: pageSize });
    heads.push(...page.heads.filter(({ namespaceId }) => namespaceId !== checkpointNamespaceId));
    if (page.next === null) return heads;
    after = page.next;
  }
}

async function* checkpointsIn(store: Pick<Store, "readChains" | "readChain">): AsyncGenerator<Checkpoint> {
  for (let after: string | null = null; ; ) {
    const page: Awaited<ReturnType<Store["readChains"]>> = await store.readChains({
      namespaceId: checkpointNamespaceId,
      after,
      limit: pageSize,
    });
    for (const chain of page.heads)
      for (let from = 1; from <= chain.sequence; ) {
        const entries = await store.readChain(chain, from, pageSize);
        for (const { body } of entries) {
          const checkpoint = decodeCheckpoint(body);
          if (checkpoint !== null) yield checkpoint;
        }
        const last = entries.at(-1);
        if (last === undefined) break;
        from = last.sequence + 1;
      }
    if (page.next === null) return;
    after = page.next;
  }
}
