import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encode, make } from "../../protocol/codec.ts";
import { TaskToken, TaskToken_Kind } from "../../protocol/generated/holdfast/state/v1/state.ts";
import { createTaskTokens } from "./task-token.ts";

const token = make(TaskToken, {
  kind: TaskToken_Kind.ACTIVITY_TASK,
  namespaceId: "n",
  workflowId: "w",
  runId: "r",
  scheduledEventId: 5,
  attempt: 1,
});
const sealed = createTaskTokens(randomBytes(32));
const refused = { ok: false, error: { kind: "invalid-argument", message: "Error deserializing task token." } };

describe("a sealed task token", () => {
  test("comes back as it was given", () => {
    expect(sealed.decode(sealed.encode(token), TaskToken_Kind.ACTIVITY_TASK)).toEqual({ ok: true, value: token });
    expect(sealed.read(sealed.encode(token))).toEqual(token);
  });

  test("is of one kind", () => {
    expect(sealed.decode(sealed.encode(token), TaskToken_Kind.WORKFLOW_TASK)).toEqual(refused);
  });

  test("cannot be made, nor changed in a single bit, by whoever does not have the key", () => {
    const other = createTaskTokens(randomBytes(32));
    for (const forged of [encode(TaskToken, token), other.encode(token), new Uint8Array(16), new Uint8Array(3)])
      expect(sealed.decode(forged, TaskToken_Kind.ACTIVITY_TASK)).toEqual(refused);
    const bytes = sealed.encode(token);
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(sealed.decode(changed, TaskToken_Kind.ACTIVITY_TASK)).toEqual(refused);
      }),
    );
  });

  test("has to be there", () => {
    expect(sealed.decode(new Uint8Array(0), TaskToken_Kind.ACTIVITY_TASK)).toMatchObject({
      error: { message: "Task token not set on request." },
    });
  });
});

test("without a key, a token is just a name", () => {
  expect(createTaskTokens(null).encode(token)).toEqual(encode(TaskToken, token));
});
