import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Codec, encode, make } from "../protocol/codec.ts";
import * as stateMessages from "../protocol/generated/holdfast/state/v1/state.ts";
import {
  Memo,
  Payload,
  Payloads,
  Priority,
  RetryPolicy,
  SearchAttributes,
  WorkerVersionStamp,
} from "../protocol/generated/temporal/api/common/v1/message.ts";
import { ApplicationFailureInfo, Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import * as historyMessages from "../protocol/generated/temporal/api/history/v1/message.ts";
import { History, HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { UserMetadata } from "../protocol/generated/temporal/api/sdk/v1/user_metadata.ts";
import { TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { Outcome } from "../protocol/generated/temporal/api/update/v1/message.ts";
import type { EventAttributes } from "./history.ts";

// What is stored is read back as it was. Histories that were written once are served as they are, so this holds for all time.

/** Any message of a codec: its plain fields, and the messages in it that are given here. */
function messageOf<T extends object>(codec: Codec<T>, inner: { readonly [K in keyof T]?: fc.Arbitrary<T[K]> } = {}): fc.Arbitrary<T> {
  const plain: { [name: string]: fc.Arbitrary<unknown> } = {};
  for (const [name, value] of Object.entries(make(codec))) {
    if (typeof value === "string") plain[name] = fc.string({ unit: "grapheme" });
    else if (typeof value === "number") plain[name] = fc.nat({ max: 2 ** 31 - 1 });
    else if (typeof value === "boolean") plain[name] = fc.boolean();
    else if (value instanceof Uint8Array) plain[name] = fc.uint8Array();
  }
  const given = Object.fromEntries(Object.entries(inner) as [string, fc.Arbitrary<unknown>][]);
  return fc.record({ ...plain, ...given }).map((fields) => make(codec, fields as Partial<T>));
}
const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined });

/** All but the one name that a plain object, which is what the generated code makes of a map, cannot have. */
const name = fc.string().filter((text) => text !== "__proto__");
const bytesByName = fc.dictionary(name, fc.uint8Array(), { noNullPrototype: true });
const payload = messageOf(Payload, { metadata: bytesByName });
const payloads = messageOf(Payloads, { payloads: fc.array(payload, { maxLength: 3 }) });
const payloadsByName = fc.dictionary(name, payload, { noNullPrototype: true, maxKeys: 3 });
const { failure } = fc.letrec<{ failure: Failure }>((tie) => ({
  failure: messageOf(Failure, {
    cause: fc.option(tie("failure"), { nil: undefined, maxDepth: 2 }),
    failureInfo: maybe(
      messageOf(ApplicationFailureInfo, { details: maybe(payloads) }).map((value) => ({ $case: "applicationFailureInfo" as const, value })),
    ),
  }),
}));
const workerVersion = maybe(messageOf(WorkerVersionStamp));
const outcome = messageOf(Outcome, { value: maybe(payloads.map((value) => ({ $case: "success" as const, value }))) });

const { RunCore, StartGate, WorkflowTask, StickyQueue, PendingActivity, Hold } = stateMessages;

const time = fc.integer({ min: 0, max: 2 ** 45 });
describe("state messages", () => {
  const check = <T extends object>(codec: Codec<T>, any: fc.Arbitrary<T>): void =>
    fc.assert(
      fc.property(any, (message) => {
        expect(codec.decode(encode(codec, message))).toEqual(message);
      }),
    );

  test("RunCore", () =>
    check(
      RunCore,
      messageOf(RunCore, {
        startTime: time,
        memo: maybe(messageOf(Memo, { fields: payloadsByName })),
        searchAttributes: maybe(messageOf(SearchAttributes, { indexedFields: payloadsByName })),
        workflowTask: maybe(
          messageOf(WorkflowTask, {
            startedTime: time,
            taskQueue: maybe(messageOf(TaskQueue)),
            continueAsNewReasons: fc.array(fc.constantFrom(1, 2, 3), { maxLength: 3 }),
          }),
        ),
        sticky: maybe(messageOf(StickyQueue)),
        startGate: maybe(messageOf(StartGate, { decideAt: time, hold: maybe(messageOf(Hold, { since: time, expiresAt: time })) })),
        mostRecentWorkerVersionStamp: workerVersion,
      }),
    ));

  test("PendingActivity", () =>
    check(
      PendingActivity,
      messageOf(PendingActivity, {
        scheduledTime: time,
        retryPolicy: maybe(
          messageOf(RetryPolicy, { backoffCoefficient: fc.double({ min: 0, noNaN: true }), nonRetryableErrorTypes: fc.array(fc.string()) }),
        ),
        priority: maybe(messageOf(Priority, { fairnessWeight: fc.float({ min: 0, noNaN: true }) })),
        heartbeatDetails: maybe(payloads),
        lastFailure: maybe(failure),
        workerVersion,
        hold: maybe(messageOf(Hold)),
      }),
    ));

  test("what else is pending, and task tokens", () => {
    check(stateMessages.PendingTimer, messageOf(stateMessages.PendingTimer));
    const clearance = maybe(messageOf(stateMessages.Clearance, { delayedUntil: time, hold: maybe(messageOf(Hold)) }));
    check(stateMessages.PendingChild, messageOf(stateMessages.PendingChild, { clearance }));
    check(stateMessages.PendingExternal, messageOf(stateMessages.PendingExternal, { clearance }));
    check(stateMessages.AcceptedUpdate, messageOf(stateMessages.AcceptedUpdate, { outcome: maybe(outcome) }));
    check(stateMessages.TaskToken, messageOf(stateMessages.TaskToken));
  });
});

/** Every kind of event, by the name that its one-of has for it. */
const eventAttributes = Object.entries(historyMessages)
  .filter(([name]) => name.endsWith("EventAttributes"))
  .map(([name, codec]) => {
    const $case = name.charAt(0).toLowerCase() + name.slice(1);
    return messageOf(codec as Codec<object>).map((value) => ({ $case, value }) as EventAttributes);
  });

const event = messageOf(HistoryEvent, {
  eventTime: maybe(time.map((at) => new Date(at))),
  attributes: fc.oneof(...eventAttributes),
  userMetadata: maybe(messageOf(UserMetadata, { summary: maybe(payload), details: maybe(payload) })),
});
const batch = fc.array(event, { maxLength: 5 });

describe("history batches", () => {
  test("are read back as they were", () => {
    fc.assert(
      fc.property(batch, (events) => {
        expect(History.decode(encode(History, { events })).events).toEqual(events);
      }),
    );
  });

  test("joined as bytes are joined as histories", () => {
    fc.assert(
      fc.property(batch, batch, (first, second) => {
        const joined = new Uint8Array([...encode(History, { events: first }), ...encode(History, { events: second })]);
        expect(History.decode(joined).events).toEqual([...first, ...second]);
      }),
    );
  });
});
