import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { activityInfo, heartbeat } from "@temporalio/activity";
import { Client } from "@temporalio/client";
import { ApplicationFailure, type Payload, type PayloadCodec } from "@temporalio/common";
import { temporal } from "@temporalio/proto";
import { describe, expect, test } from "vitest";
import { causesOf, eventNamed, eventsOf, rejectionOf, setup } from "./kit.ts";
import { type Activities, carry, exchange, inflate, leak, secretKeeper, tell, told } from "./workflows/payloads.ts";

const key = randomBytes(32);

/** Encrypts whole payloads, as the SDK's own sample does. */
const encryption: PayloadCodec = {
  encode: async (payloads) =>
    payloads.map((payload) => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      const plain = temporal.api.common.v1.Payload.encode(payload).finish();
      const data = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      return { metadata: { encoding: Buffer.from("binary/encrypted") }, data };
    }),
  decode: async (payloads) =>
    payloads.map((payload): Payload => {
      if (Buffer.from(payload.metadata?.encoding ?? []).toString() !== "binary/encrypted") return payload;
      const data = Buffer.from(payload.data ?? []);
      const decipher = createDecipheriv("aes-256-gcm", key, data.subarray(0, 12));
      decipher.setAuthTag(data.subarray(-16));
      return temporal.api.common.v1.Payload.decode(Buffer.concat([decipher.update(data.subarray(12, -16)), decipher.final()]));
    }),
};

const secret = "the vault's combination";

const activities: Activities = {
  echo: async (value) => value,
  remember: async (value) => {
    if (activityInfo().attempt > 1) return activityInfo().heartbeatDetails;
    heartbeat(value);
    throw new Error("once more");
  },
  blowUp: async (bytes) => "x".repeat(bytes),
  fail: async (value) => {
    throw ApplicationFailure.create({ message: `told by the activity: ${value}`, details: [value] });
  },
};

describe("with an encrypting codec", () => {
  const compat = setup({
    workflows: "payloads",
    activities,
    client: {
      dataConverter: {
        payloadCodecs: [encryption],
        failureConverterPath: fileURLToPath(new URL("./workflows/failure-converter.cjs", import.meta.url)),
      },
    },
  });

  /** A client without the key. */
  const strangersHandle = (workflowId: string) => new Client({ connection: compat.client.connection }).workflow.getHandle(workflowId);

  test("arguments, results, heartbeats, signals, updates, queries and memo pass, and the server never sees them", async () => {
    const handle = await compat.start(secretKeeper, { args: [secret], memo: { started: secret } });
    await handle.signal(tell, secret);
    expect(await handle.executeUpdate(exchange, { args: ["mine"] })).toContain("mine for ");
    expect(await handle.result()).toEqual([secret, secret, secret]);
    expect(await handle.query(told)).toBe(secret);
    expect((await handle.describe()).memo).toEqual({ started: secret, upserted: secret });

    const stranger = strangersHandle(handle.workflowId);
    const history = temporal.api.history.v1.History.encode(await stranger.fetchHistory()).finish();
    expect(Buffer.from(history).includes(secret)).toBe(false);
    expect(Buffer.from(history).includes("binary/encrypted")).toBe(true);
    await expect(stranger.result()).rejects.toThrow("Unknown encoding: binary/encrypted");
    expect(await eventsOf(handle)).toContain("WorkflowPropertiesModified");
  });

  test("messages and stack traces of failures are encrypted too", async () => {
    const handle = await compat.start(leak, { args: [secret] });
    const failure = await rejectionOf(handle.result());
    expect(causesOf(failure)).toEqual([
      "WorkflowFailedError: Workflow execution failed",
      `ApplicationFailure: told by the workflow: ${secret}`,
      "ActivityFailure: Activity task failed",
      `ApplicationFailure: told by the activity: ${secret}`,
    ]);
    expect(failure).toMatchObject({ cause: { cause: { cause: { details: [secret] } } } });
    const stranger = strangersHandle(handle.workflowId);
    const closed = (await eventNamed(stranger, "WorkflowExecutionFailed")).workflowExecutionFailedEventAttributes;
    expect(closed?.failure?.message).toBe("Encoded failure");
    expect(closed?.failure?.stackTrace).toBeFalsy();
    const history = temporal.api.history.v1.History.encode(await stranger.fetchHistory()).finish();
    expect(Buffer.from(history).includes("told by")).toBe(false);
  });
});

describe("large payloads", () => {
  const compat = setup({ workflows: "payloads", activities });
  const nearlyTwoMiB = "x".repeat(1.9 * 2 ** 20);

  test("of 1.9 MiB go through a workflow and an activity", async () => {
    const handle = await compat.start(carry, { args: [nearlyTwoMiB] });
    expect((await handle.result()).length).toBe(nearlyTwoMiB.length);
    expect(await eventsOf(handle)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted, " +
        "5 ActivityTaskScheduled, 6 ActivityTaskStarted, 7 ActivityTaskCompleted, " +
        "8 WorkflowTaskScheduled, 9 WorkflowTaskStarted, 10 WorkflowTaskCompleted, 11 WorkflowExecutionCompleted",
    );
  });

  test("of more than 2 MiB are refused where they are sent", async () => {
    const started = compat.start(carry, { args: ["x".repeat(2.1 * 2 ** 20)] });
    expect(causesOf(await rejectionOf(started)).join()).toContain("Blob data size exceeds limit.");
  });

  test("of more than 2 MiB in a result fail the activity", async () => {
    const handle = await compat.start(inflate, { args: [2.1 * 2 ** 20] });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toContain("exceeded the error limit");
  });
});
