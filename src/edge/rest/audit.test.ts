import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hourMs } from "../../base/time.ts";
import { entryHash, noHash } from "../../governance/ledger/ledger.ts";
import { serverNamespaceId } from "../../service/ledger/audit.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const policy = "version: v1\nrules: [{ id: refunds, match: { topics: [activity.Refund] }, decision: require_approval }]";

let api: TestApi;
/** Two refunds, an hour apart; the first is granted. */
let begin: number;
beforeAll(async () => {
  api = await openApi(policy);
  begin = api.core.clock.now();
  const id = await api.hold();
  await api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "ada" });
  api.core.clock.jump(hourMs);
  await api.hold();
  await api.hold({ namespace: "other" });
  await api.core.record({
    namespaceId: serverNamespaceId,
    at: api.core.clock.now(),
    kind: "policy-published",
    runId: null,
    body: Buffer.from("{}"),
  });
});
afterAll(() => api.close());

const list = async (query = "", headers: Record<string, string> = {}) => (await api.ask("GET", `/api/v1/audit${query}`, { headers })).json;
const kinds = async (query: string, headers?: Record<string, string>) =>
  [...((await list(query, headers)).items ?? [])].map(({ kind }) => String(kind));
const exported = async (query = "") => {
  const { text, type } = await api.ask("GET", `/api/v1/audit/export${query}`);
  expect(type).toBe("application/x-ndjson");
  return text.trimEnd().split("\n");
};
const at = (time: number): string => encodeURIComponent(new Date(time).toISOString());

describe("which entries", () => {
  // On the start of a workflow, and on its activity.
  const first = ["decision", "decision", "approval-requested", "approval-vote", "approval-closed", "approval-changed"];
  const second = ["decision", "decision", "approval-requested"];
  test("all, oldest first", async () => {
    expect(await kinds("")).toEqual([...first, ...second]);
  });
  test("of a time", async () => {
    expect(await kinds(`?since=${at(begin + 1)}`)).toEqual(second);
    expect(await kinds(`?until=${at(begin)}`)).toEqual([]);
    expect(await kinds(`?until=${at(begin + 1)}`)).toEqual(first);
  });
  test("of some kinds", async () => {
    expect(await kinds("?kind=approval-vote,approval-closed")).toEqual(["approval-vote", "approval-closed"]);
  });
  test("of a run", async () => {
    const runId = (await list("?kind=approval-vote")).items?.[0]?.run_id;
    expect((await kinds(`?run_id=${runId}&kind=approval-requested`)).length).toBe(1);
  });
  test("of a tenant", async () => {
    expect(await kinds("", { "x-tenant-id": "other" })).toEqual(second);
    expect(await kinds("", { "x-tenant-id": "nobody" })).toEqual([]);
  });
  test("of the server", async () => {
    const { items } = await list("", { "x-tenant-id": "system" });
    expect(items).toMatchObject([
      { kind: "administration", body: { act: "namespace-registered", cause: "configuration", namespace: "default" } },
      { kind: "administration", body: { act: "namespace-registered", cause: "api", namespace: "other" } },
      { kind: "policy-published" },
    ]);
  });
});

test("pages join to the whole", async () => {
  const pages: unknown[] = [];
  for (let cursor = ""; ; ) {
    const { items, next_cursor } = await list(`?limit=2${cursor}`);
    pages.push(...(items ?? []));
    if (next_cursor === null) break;
    cursor = `&cursor=${encodeURIComponent(String(next_cursor))}`;
  }
  expect(pages).toEqual((await list("?limit=1000")).items);
});

describe("an export", () => {
  test("is the list, as JSON Lines", async () => {
    expect((await exported()).map((line) => JSON.parse(line))).toEqual((await list("?limit=1000")).items);
    expect(await exported("?kind=approval-vote")).toHaveLength(1);
  });

  test("keeps the bytes of each body, so that its hashes can be computed", async () => {
    let previous = noHash;
    for (const line of await exported()) {
      const { namespace_id, writer_id, sequence, at, kind, run_id, hash } = JSON.parse(line);
      const body = Buffer.from(line.slice(line.indexOf('"body":') + '"body":'.length, -1));
      const entry = { namespaceId: namespace_id, writerId: writer_id, sequence, at: Date.parse(at), kind, runId: run_id, body };
      previous = entryHash(previous, entry);
      expect(hash).toBe(Buffer.from(previous).toString("hex"));
    }
  });

  test("of many entries comes page by page", async () => {
    const body = Buffer.from(JSON.stringify({ note: "x".repeat(500) }));
    const namespaceId = String((await list()).items?.[0]?.namespace_id);
    for (let number = 0; number < 500; number++)
      await api.core.record({ namespaceId, at: begin + 2 * hourMs + number, kind: "administration", runId: null, body });
    expect(await exported("?kind=administration")).toHaveLength(500);
  });
});
