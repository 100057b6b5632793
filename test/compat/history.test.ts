import { temporal } from "@temporalio/proto";
import { describe, expect, test } from "vitest";
import { eventName, eventsOf, rejectionOf, setup } from "./kit.ts";
import { finish, naps, waits } from "./workflows/visibility.ts";

const compat = setup({ workflows: "visibility", server: { longPoll: { history: 300 } } });
const service = () => compat.client.workflowService;
const closeEvent = temporal.api.enums.v1.HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT;

type Answer = temporal.api.workflowservice.v1.IGetWorkflowExecutionHistoryResponse;
const idsOf = ({ history }: Answer) => (history?.events ?? []).map(({ eventId }) => Number(eventId));
const namesOf = ({ history }: Answer) => (history?.events ?? []).map(eventName);
const closed = async () => {
  const handle = await compat.start(naps, { args: [10] });
  await handle.result();
  return { handle, count: (await handle.describe()).historyLength };
};
const read = (workflowId: string, fields: object = {}) =>
  service().getWorkflowExecutionHistory({ namespace: "default", execution: { workflowId }, ...fields });

/** Every page of a history, as ids. */
async function pages(ask: (nextPageToken: Uint8Array) => Promise<Answer>): Promise<readonly (readonly number[])[]> {
  const all: (readonly number[])[] = [];
  for (let token = new Uint8Array(0), more = true; more; ) {
    const answer = await ask(token);
    all.push(idsOf(answer));
    token = new Uint8Array(answer.nextPageToken ?? []);
    more = token.length > 0;
  }
  return all;
}

describe("a history is read", () => {
  test.each([1, 3, 7, 1000])("by pages of %i events, each filled up with whole batches", async (maximumPageSize) => {
    const { handle, count } = await closed();
    const all = await pages((nextPageToken) => read(handle.workflowId, { maximumPageSize, nextPageToken }));
    expect(all.flat()).toEqual(Array.from({ length: count }, (_, index) => index + 1));
    if (maximumPageSize < count) expect(all.length).toBeGreaterThan(1);
    expect(all.length).toBeLessThanOrEqual(Math.ceil(count / maximumPageSize));
  });

  test.each([1, 3, 7, 1000])("backwards, by pages of %i", async (maximumPageSize) => {
    const { handle, count } = await closed();
    const all = await pages((nextPageToken) =>
      service().getWorkflowExecutionHistoryReverse({
        namespace: "default",
        execution: { workflowId: handle.workflowId },
        maximumPageSize,
        nextPageToken,
      }),
    );
    expect(all.flat()).toEqual(Array.from({ length: count }, (_, index) => count - index));
    expect(Math.max(...all.map((page) => page.length))).toBeLessThanOrEqual(maximumPageSize);
  });

  test("of the run that the first page was of, whatever has started since", async () => {
    const { handle, count } = await closed();
    const first = await read(handle.workflowId, { maximumPageSize: 2 });
    const next = await compat.start(waits, { workflowId: handle.workflowId });
    const rest = await pages((token) =>
      read(handle.workflowId, { nextPageToken: token.length === 0 ? first.nextPageToken : token, maximumPageSize: 100 }),
    );
    expect(rest.flat()).toEqual(Array.from({ length: count }, (_, index) => index + 1).slice(idsOf(first).length));
    await next.terminate();
  });
});

describe("the close event alone", () => {
  test("is read at once of a closed run", async () => {
    const { handle } = await closed();
    expect(namesOf(await read(handle.workflowId, { historyEventFilterType: closeEvent }))).toEqual(["WorkflowExecutionCompleted"]);
  });

  test("is waited for, and a wait without news ends with a token to wait again", async () => {
    const handle = await compat.start(waits);
    const ask = (nextPageToken?: Uint8Array | null) =>
      read(handle.workflowId, { historyEventFilterType: closeEvent, waitNewEvent: true, nextPageToken: nextPageToken ?? null });
    const empty = await ask();
    expect(idsOf(empty)).toEqual([]);
    expect(empty.nextPageToken?.length).toBeGreaterThan(0);
    const waiting = ask(empty.nextPageToken);
    await handle.signal(finish);
    let answer = await waiting;
    while (idsOf(answer).length === 0) answer = await ask(answer.nextPageToken);
    expect(namesOf(answer)).toEqual(["WorkflowExecutionCompleted"]);
    expect(answer.nextPageToken ?? new Uint8Array(0)).toHaveLength(0);
  });
});

test("a long poll follows a run to its end, without gaps", async () => {
  const handle = await compat.start(waits);
  const ids: number[] = [];
  let signalled = false;
  const all = await pages(async (nextPageToken) => {
    const answer = await read(handle.workflowId, { waitNewEvent: true, nextPageToken });
    ids.push(...idsOf(answer));
    if (ids.includes(4) && !signalled) {
      signalled = true;
      await handle.signal(finish);
    }
    return answer;
  });
  expect(all.flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(await eventsOf(handle, 5)).toBe(
    "5 WorkflowExecutionSignaled, 6 WorkflowTaskScheduled, 7 WorkflowTaskStarted, 8 WorkflowTaskCompleted, 9 WorkflowExecutionCompleted",
  );
});

test("bad tokens and unknown runs are refused", async () => {
  const { handle } = await closed();
  const other = await closed();
  const { workflowId, firstExecutionRunId: runId } = handle;
  const { nextPageToken } = await read(workflowId, { maximumPageSize: 2 });
  const refusal = async (fields: object, id = workflowId) => (await rejectionOf(read(id, fields))) as object;
  expect(await refusal({ nextPageToken: Buffer.from("no token of ours") })).toMatchObject({ code: 3, details: "Invalid NextPageToken." });
  expect(await refusal({ nextPageToken, execution: { workflowId, runId: other.handle.firstExecutionRunId } })).toMatchObject({
    code: 3,
    details: "RunId in the request does not match the NextPageToken.",
  });
  expect(await refusal({ execution: { workflowId, runId: "no-uuid" } })).toMatchObject({ code: 3, details: "Invalid RunId." });
  expect(await refusal({ execution: { workflowId: "", runId } })).toMatchObject({ code: 3, details: "WorkflowId is not set on request." });
  // A token or a run id of another workflow opens nothing.
  expect(await refusal({ nextPageToken }, other.handle.workflowId)).toMatchObject({ code: 5 });
  expect(await refusal({ execution: { workflowId: other.handle.workflowId, runId } })).toMatchObject({ code: 5 });
  const error = await rejectionOf(compat.client.workflow.getHandle("unheard-of").fetchHistory());
  expect(error).toMatchObject({ code: 5, details: "workflow not found for ID: unheard-of" });
});
