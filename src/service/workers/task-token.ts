import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { err, ok, type Result } from "../../base/result.ts";
import { encode } from "../../protocol/codec.ts";
import { TaskToken, type TaskToken_Kind } from "../../protocol/generated/holdfast/state/v1/state.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import type { Store } from "../../store/store.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";

/** What a worker proves with that it was given the task that it answers. */
export type TaskTokens = {
  encode(token: TaskToken): Uint8Array;
  /** The token as a worker sent it back, if it is one of ours and of the expected kind. */
  decode(bytes: Uint8Array, kind: TaskToken_Kind): Result<TaskToken, Refusal>;
  /** The same of any kind; null for what is none. */
  read(bytes: Uint8Array): TaskToken | null;
};

/**
 * With a key, tokens carry a seal that only this server can make (HMAC with SHA-256, its first 16 bytes, before the rest): nobody answers a task
 * that they were not given by naming it. Where everybody may do everything there is nothing to prove, and no key.
 */
export function createTaskTokens(key: Buffer | null): TaskTokens {
  const seal = (body: Uint8Array, by: Buffer): Buffer => createHmac("sha256", by).update(body).digest().subarray(0, sealBytes);

  function opened(bytes: Uint8Array): Uint8Array | null {
    if (key === null) return bytes;
    if (bytes.length <= sealBytes) return null;
    const body = bytes.subarray(sealBytes);
    return timingSafeEqual(bytes.subarray(0, sealBytes), seal(body, key)) ? body : null;
  }

  const read: TaskTokens["read"] = (bytes) => {
    const body = opened(bytes);
    if (body === null) return null;
    try {
      return TaskToken.decode(body);
    } catch {
      return null;
    }
  };

  return {
    encode: (token) => {
      const body = encode(TaskToken, token);
      return key === null ? body : Buffer.concat([seal(body, key), body]);
    },
    decode: (bytes, kind) => {
      if (bytes.length === 0) return err(invalidArgument("Task token not set on request."));
      const token = read(bytes);
      return token?.kind === kind ? ok(token) : err(invalidArgument("Error deserializing task token."));
    },
    read,
  };
}

const sealBytes = 16;
const keyBytes = 32;
const kind = "secret";
const id = "task-tokens";

/** The key of a server's tokens. It outlives the process, since the tasks do. */
export async function taskTokenKey({
  store,
  committer,
}: {
  readonly store: Pick<Store, "readDocument">;
  readonly committer: Pick<Committer, "commit">;
}): Promise<Buffer> {
  for (;;) {
    const stored = await store.readDocument(kind, id);
    if (stored !== null) return Buffer.from(stored.body);
    // Of two servers that begin at one time, one is first, and the other reads what it wrote.
    const write = { kind, id, expectedVersion: 0, body: randomBytes(keyBytes) };
    await committer.commit(changeOutsideRuns({ putDocuments: [write], ledger: [] }));
  }
}
