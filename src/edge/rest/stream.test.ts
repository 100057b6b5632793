import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { openApi, type TestApi } from "./rest.test-kit.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openApi(
    "version: v1\ndefault_decision: allow\nrules: [{ id: refunds, match: { topics: [activity.Refund] }, decision: require_approval }]",
  );
});
afterEach(async () => {
  api.core.stream.end();
  await api.close();
});

type Seen = { readonly id: string; readonly type: string; readonly [field: string]: unknown };

/** Watches as a browser's EventSource does. */
async function listen(query = "", headers: Record<string, string> = {}) {
  const response = await fetch(`${api.url}/api/v1/stream${query}`, { headers });
  expect(response.status).toBe(200);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader() ?? expect.unreachable("no body");
  let text = "";
  return {
    /** The next so many events. */
    take: async (many: number): Promise<readonly Seen[]> => {
      const seen: Seen[] = [];
      while (seen.length < many) {
        const end = text.indexOf("\n\n");
        if (end < 0) {
          const { value, done } = await reader.read();
          if (done) return seen;
          text += value;
          continue;
        }
        const frame = text.slice(0, end);
        text = text.slice(end + 2);
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        if (data === undefined) continue;
        const event = JSON.parse(data) as Seen;
        expect(frame).toBe(`id: ${event.id}\nevent: ${event.type}\ndata: ${data}`);
        seen.push(event);
      }
      return seen;
    },
    close: () => reader.cancel(),
  };
}

/** The same over a WebSocket. */
async function connect(query = "") {
  const socket = new WebSocket(`${api.url.replace("http", "ws")}/api/v1/stream${query}`);
  const seen: Seen[] = [];
  let wake = () => {};
  socket.on("message", (data) => {
    seen.push(JSON.parse(String(data)) as Seen);
    wake();
  });
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return {
    socket,
    take: async (many: number): Promise<readonly Seen[]> => {
      while (seen.length < many)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return seen.splice(0, many);
    },
  };
}

const held = ["approval.requested", "activity.scheduled"];
const types = (events: readonly Seen[]) => events.map(({ type }) => type);

describe.each([
  ["server-sent events", listen],
  ["a WebSocket", connect],
])("over %s", (_, open) => {
  test("what becomes of the jobs of a topic, also of those that are steps", async () => {
    const { take } = await open("?topic=job.a");
    const jobOf = async (topic: string): Promise<void> => {
      await api.ask("POST", "/api/v1/jobs", { body: { topic, input: 1 } });
      const { json } = await api.ask("POST", "/api/v1/workers/lease", { body: { task_queue: topic } });
      await api.ask("POST", "/api/v1/workers/complete", { body: { lease: json.lease, result: 1 } });
    };
    await jobOf("job.b");
    await jobOf("job.a");
    expect(types(await take(4))).toEqual(["run.started", "activity.scheduled", "activity.completed", "run.closed"]);
    await api.ask("POST", "/api/v1/workflows", { body: { id: "w", steps: { a: { topic: "job.a" } } } });
    await api.ask("POST", "/api/v1/workflows/w/runs");
    expect(await take(1)).toMatchObject([{ type: "activity.scheduled", topic: "job.a", workflow_type: "w", activity_type: "job.a" }]);
  });

  test("runs, approvals and policies, once they are on disk", async () => {
    const { take } = await open();
    const id = await api.hold();
    const [started, ...rest] = await take(3);
    expect(started).toMatchObject({ type: "run.started", workflow_id: "order-1", workflow_type: "Order" });
    expect(types(rest).sort()).toEqual(held.toSorted());
    expect(rest.find(({ type }) => type === "approval.requested")).toMatchObject({ topic: "activity.Refund", approval_id: id });
    expect(rest.find(({ type }) => type === "activity.scheduled")).toMatchObject({
      activity_id: "1",
      activity_type: "Refund",
      task_queue: "orders",
    });
    await api.ask("POST", `/api/v1/approvals/${id}/reject`, { as: "ada" });
    const decided = await take(3);
    expect(types(decided).sort()).toEqual(["activity.failed", "approval.closed", "approval.voted"]);
    expect(decided.find(({ type }) => type === "approval.closed")).toMatchObject({ status: "rejected", workflow_id: "order-1" });
    await api.ask("PUT", "/api/v1/policy/bundles/a", { as: "ada", body: { content: "rules: []" } });
    await api.ask("POST", "/api/v1/policy/publish", { as: "ada", body: {} });
    expect(await take(1)).toMatchObject([{ type: "policy.published", publication: 1 }]);
  });

  test("goes on after the event that was seen last", async () => {
    const first = await open();
    await api.hold();
    const before = await first.take(3);
    await api.hold();
    const missed = await first.take(3);
    const again = await open(`?after=${before.at(-1)?.id}`);
    expect(await again.take(3)).toEqual(missed);
  });

  test("says so when it cannot go on", async () => {
    const { take } = await open("?after=elsewhere-7");
    expect(types(await take(1))).toEqual(["reset"]);
    await api.hold();
    expect(types(await take(1))).toEqual(["run.started"]);
  });

  test.each([
    ["?run=order-2", ["order-2", "order-2", "order-2"]],
    ["?workflow=order-3&type=run.started", ["order-3"]],
    ["?workflow=Order&type=run.started", ["order-1", "order-2", "order-3"]],
    ["?topic=activity.Refund", ["order-1", "order-2", "order-3"]],
    ["?type=approval.requested,approval.closed", ["order-1", "order-2", "order-3"]],
  ])("filtered by %s", async (query, workflowIds) => {
    const { take } = await open(query);
    for (let order = 1; order <= 3; order++) await api.hold();
    expect((await take(workflowIds.length)).map(({ workflow_id }) => workflow_id)).toEqual(workflowIds);
  });

  test("of one tenant", async () => {
    const { take } = await open("?tenant=other");
    await api.hold();
    await api.hold({ namespace: "other", workflowId: "theirs" });
    expect((await take(3)).map(({ workflow_id }) => workflow_id)).toEqual(["theirs", "theirs", "theirs"]);
  });
});

test("ends when the server stops", async () => {
  const [events, { socket }] = [await listen(), await connect()];
  const closed = new Promise((resolve) => socket.once("close", resolve));
  api.core.stream.end();
  expect(await events.take(1)).toEqual([]);
  expect(await closed).toBe(1001);
  expect(await api.ask("GET", "/api/v1/stream")).toMatchObject({ status: 503, json: { code: "too-many-streams" } });
});

test("`Last-Event-ID` is the header by which a browser goes on", async () => {
  const first = await listen();
  await api.hold();
  const [started, ...rest] = await first.take(3);
  const again = await listen("", { "last-event-id": started?.id ?? "" });
  expect(await again.take(2)).toEqual(rest);
});

test.each([
  ["/api/v1/stream?nonsense=1", {}, 400],
  ["/api/v1/stream?tenant=nowhere", {}, 404],
  ["/api/v1/elsewhere", {}, 404],
  ["/api/v1/stream", { origin: "https://elsewhere.example" }, 403],
  ["/api/v1/stream", { host: "elsewhere.example" }, 421],
] as const)("a WebSocket for %s %j is refused: %i", async (path, headers, status) => {
  const sent = request(`${api.url}${path}`, {
    headers: {
      connection: "upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": `${"x".repeat(22)}==`,
      ...headers,
    },
  });
  const answered = await new Promise<number | undefined>((resolve, reject) => {
    sent
      .once("response", ({ statusCode }) => resolve(statusCode))
      .once("error", reject)
      .end();
  });
  expect(answered).toBe(status);
});
