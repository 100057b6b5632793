import { expect, test } from "vitest";
import type { VisibilityField, VisibilityFilter, VisibilityOrder } from "../../execution/visibility/filter.ts";
import { PageTokenError, type Store } from "../store.ts";
import { allPages, bytes, committed, creation, listed, query, runKey, text, update, visibility } from "./material.ts";
import { amount, city, compare, completed, due, failed, filledShelf, not, note, running, shelfRun, system, tags, urgent } from "./shelf.ts";

export function visibilityContract(fresh: () => Promise<Store>): void {
  const rules: readonly (readonly [string, VisibilityFilter | null, string])[] = [
    ["no filter", null, "abcde"],
    ["WorkflowId =", compare("WorkflowId", "=", "b"), "b"],
    ["WorkflowId !=", compare("WorkflowId", "!=", "b"), "acde"],
    ["WorkflowId in", { op: "in", field: system("WorkflowId"), values: ["a", "e", "stranger"] }, "ae"],
    ["WorkflowId starts with", { op: "starts-with", field: system("WorkflowId"), prefix: "d" }, "d"],
    ["RunId =", compare("RunId", "=", shelfRun("c").runId), "c"],
    ["RunId !=", compare("RunId", "!=", shelfRun("c").runId), "abde"],
    ["RunId in", { op: "in", field: system("RunId"), values: [shelfRun("c").runId, shelfRun("d").runId] }, "cd"],
    ["RunId >", compare("RunId", ">", shelfRun("c").runId), "de"],
    ["RunId starts with", { op: "starts-with", field: system("RunId"), prefix: "00000000-0000-4000-8000-00000000000" }, "abcde"],
    ["WorkflowType =", compare("WorkflowType", "=", "Bill"), "cd"],
    ["WorkflowType starts with", { op: "starts-with", field: system("WorkflowType"), prefix: "Or" }, "abe"],
    ["TaskQueue =", compare("TaskQueue", "=", "slow"), "c"],
    ["ExecutionStatus =", compare("ExecutionStatus", "=", running), "ab"],
    ["ExecutionStatus in", { op: "in", field: system("ExecutionStatus"), values: [completed, failed] }, "cde"],
    ["StartTime <", compare("StartTime", "<", 2_000), "a"],
    ["StartTime <=", compare("StartTime", "<=", 2_000), "abe"],
    ["StartTime between", { op: "between", field: system("StartTime"), low: 2_000, high: 3_000 }, "bce"],
    ["ExecutionTime =", compare("ExecutionTime", "=", 4_500), "d"],
    ["CloseTime = null", { op: "is-null", field: system("CloseTime") }, "ab"],
    ["CloseTime >", compare("CloseTime", ">", 8_000), "c"],
    ["CloseTime >=", compare("CloseTime", ">=", 8_000), "cde"],
    ["CloseTime <", compare("CloseTime", "<", 9_000), "de"],
    ["CloseTime !=", compare("CloseTime", "!=", 8_000), "c"],
    ["CloseTime between", { op: "between", field: system("CloseTime"), low: 8_500, high: 9_500 }, "c"],
    ["not CloseTime <, unknown for open runs", not(compare("CloseTime", "<", 9_000)), "c"],
    ["HistoryLength >", compare("HistoryLength", ">", 7), "c"],
    ["HistorySizeBytes =", compare("HistorySizeBytes", "=", 5_000_000_000), "c"],
    ["StateTransitionCount =", compare("StateTransitionCount", "=", 4), "c"],
    ["ExecutionDuration >=", compare("ExecutionDuration", ">=", 6e12), "c"],
    ["ParentWorkflowId =", compare("ParentWorkflowId", "=", "a"), "e"],
    ["ParentWorkflowId = null", { op: "is-null", field: system("ParentWorkflowId") }, "abcd"],
    ["ParentRunId =", compare("ParentRunId", "=", shelfRun("a").runId), "e"],
    ["RootWorkflowId =", compare("RootWorkflowId", "=", "a"), "ae"],
    ["RootRunId =", compare("RootRunId", "=", shelfRun("a").runId), "ae"],
    ["keyword =", compare(city, "=", "Bern"), "b"],
    ["keyword !=, unknown where absent", compare(city, "!=", "Bern"), "ad"],
    ["keyword >", compare(city, ">", "Berm"), "bd"],
    ["keyword starts with", { op: "starts-with", field: city, prefix: "Ber" }, "ab"],
    ["keyword starts with the empty text", { op: "starts-with", field: city, prefix: "" }, "abd"],
    ["keyword starts with a pattern, literally", { op: "starts-with", field: city, prefix: "B%" }, ""],
    ["keyword in", { op: "in", field: city, values: ["Ulm", "Berlin"] }, "ad"],
    ["not keyword in", not({ op: "in", field: city, values: ["Ulm", "Berlin"] }), "b"],
    ["keyword = null", { op: "is-null", field: city }, "ce"],
    ["keyword != null", not({ op: "is-null", field: city }), "abd"],
    ["list contains", compare(tags, "=", "red"), "a"],
    ["list does not contain, unknown where absent", compare(tags, "!=", "red"), "b"],
    ["list contains any", { op: "in", field: tags, values: ["red", "blue"] }, "ab"],
    ["not list contains any", not({ op: "in", field: tags, values: ["red", "green"] }), "b"],
    ["list has an element that starts with", { op: "starts-with", field: tags, prefix: "re" }, "a"],
    ["list = null", { op: "is-null", field: tags }, "cde"],
    ["text has the word", compare(note, "=", "SHIP"), "ab"],
    ["text has one of the words", compare(note, "=", "quickly über"), "ad"],
    ["text has not the word", compare(note, "!=", "quickly"), "bd"],
    ["double <", compare(amount, "<", 1.5), "b"],
    ["double between", { op: "between", field: amount, low: -3, high: 1.5 }, "ab"],
    ["bool =", compare(urgent, "=", true), "a"],
    ["bool !=", compare(urgent, "!=", true), "b"],
    ["datetime with a name of all kinds of characters", compare(due, ">=", 77), "b"],
    ["and", { op: "and", of: [compare("WorkflowType", "=", "Order"), compare("ExecutionStatus", "=", running)] }, "ab"],
    ["or", { op: "or", of: [compare(city, "=", "Ulm"), compare("WorkflowId", "=", "e")] }, "de"],
    ["not and", not({ op: "and", of: [compare("WorkflowType", "=", "Order"), compare("ExecutionStatus", "=", running)] }), "cde"],
    ["a quote is a letter like any other", compare(city, "=", "' OR 1=1 --"), ""],
  ];

  test("each rule of the filter finds what it says, in lists and in counts", async () => {
    const store = await fresh();
    await filledShelf(store);
    for (const [label, filter, letters] of rules) {
      const found = (await listed(store, filter)).toSorted().join("");
      expect(`${label}: ${found}`).toBe(`${label}: ${letters}`);
      expect((await store.countExecutions({ namespaceId: "namespace", query: query({ filter }) })).total, label).toBe(letters.length);
    }
  });

  test.each([
    // order by                                                             letters: open first, then the latest closed, started
    ["nothing", [], "bacde"],
    ["StartTime", [{ field: system("StartTime"), descending: false }], "abecd"],
    ["StartTime DESC", [{ field: system("StartTime"), descending: true }], "dcbea"],
    ["CloseTime DESC", [{ field: system("CloseTime"), descending: true }], "abcde"],
    ["CloseTime", [{ field: system("CloseTime"), descending: false }], "decab"],
    ["HistoryLength", [{ field: system("HistoryLength"), descending: false }], "abedc"],
    ["HistoryLength DESC", [{ field: system("HistoryLength"), descending: true }], "cdabe"],
    ["City DESC", [{ field: city, descending: true }], "dbace"],
    [
      "WorkflowType, Amount DESC",
      [
        { field: system("WorkflowType"), descending: false },
        { field: amount, descending: true },
      ],
      "cdabe",
    ],
    ["RunId DESC", [{ field: system("RunId"), descending: true }], "edcba"],
  ] as [string, VisibilityOrder[], string][])("ordered by %s → the same in pages of any size", async (_, orderBy, letters) => {
    const store = await fresh();
    await filledShelf(store);
    for (const limit of [1, 2, 3, 5, 6]) {
      const pages = await allPages(store, query({ orderBy }), limit);
      expect(pages.flat().join("")).toBe(letters);
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
      expect(pages.at(-1)?.length).toBeGreaterThan(0);
    }
  });

  test("a page neither repeats nor skips what stays, whatever comes and goes", async () => {
    const store = await fresh();
    const runs = Array.from({ length: 9 }, (_, index) => runKey(index));
    await committed(store, {
      runs: runs.map((run, index) => creation(run, { visibility: visibility({ startTime: 1_000 + (index % 3) }) })),
    });
    const first = await store.listExecutions({ namespaceId: "namespace", query: query({}), limit: 4, after: null });
    const gone = first.executions.at(-1)?.key ?? runKey(0);
    await store.deleteRuns([gone]);
    await committed(store, { runs: [creation(runKey(20), { visibility: visibility({ startTime: 9_000 }) })] });
    const second = await store.listExecutions({ namespaceId: "namespace", query: query({}), limit: 100, after: first.next });
    const seen = [...first.executions, ...second.executions].map(({ key }) => key.runId);
    expect(seen.toSorted()).toEqual(runs.map(({ runId }) => runId));
  });

  test("lists return the key and the stored info; a record replaces the former, null leaves it", async () => {
    const store = await fresh();
    const run = runKey(1);
    await committed(store, { runs: [creation(run, { visibility: visibility({ info: bytes("open") }) })] });
    await committed(store, { runs: [update(run, 1)] });
    const infos = async () =>
      (await store.listExecutions({ namespaceId: "namespace", query: query({}), limit: 9, after: null })).executions.map(
        ({ key, info }) => [key, text(info)],
      );
    expect(await infos()).toEqual([[run, "open"]]);
    await committed(store, {
      runs: [
        update(run, 2, { visibility: visibility({ info: bytes("closed"), status: completed, closeTime: 7, attributes: { City: "Ulm" } }) }),
      ],
    });
    expect(await infos()).toEqual([[run, "closed"]]);
    expect(await listed(store, compare("ExecutionStatus", "=", running))).toEqual([]);
    expect(await listed(store, compare(city, "=", "Ulm"))).toEqual([run.workflowId]);
  });

  test.each([
    [
      "ExecutionStatus",
      system("ExecutionStatus"),
      [
        [completed, 2],
        [failed, 1],
        [running, 2],
      ],
    ],
    [
      "WorkflowType",
      system("WorkflowType"),
      [
        ["Bill", 2],
        ["Order", 3],
      ],
    ],
    [
      "a keyword",
      city,
      [
        ["Berlin", 1],
        ["Bern", 1],
        ["Ulm", 1],
        [null, 2],
      ],
    ],
    [
      "a bool",
      urgent,
      [
        [false, 1],
        [null, 3],
        [true, 1],
      ],
    ],
    [
      "RootRunId",
      system("RootRunId"),
      [
        [shelfRun("a").runId, 2],
        [shelfRun("b").runId, 1],
        [shelfRun("c").runId, 1],
        [shelfRun("d").runId, 1],
      ],
    ],
  ] as [string, VisibilityField, [string | number | boolean | null, number][]][])("counts by %s", async (_, groupBy, expected) => {
    const store = await fresh();
    await filledShelf(store);
    const { total, groups } = await store.countExecutions({ namespaceId: "namespace", query: query({ groupBy }) });
    const sorted = (pairs: readonly (readonly [string | number | boolean | null, number])[]) =>
      pairs.map((pair) => JSON.stringify(pair)).toSorted();
    expect(total).toBe(5);
    expect(sorted(groups.map(({ value, count }) => [value, count] as const))).toEqual(sorted(expected));
    expect(groups.map(({ count }) => count)).toEqual(groups.map(({ count }) => count).toSorted((a, b) => b - a));
  });

  test.each(["", "nonsense", Buffer.from("[1]").toString("base64url"), Buffer.from('{"a":1}').toString("base64url")])(
    "page token %j is refused",
    async (after) => {
      const store = await fresh();
      await filledShelf(store);
      await expect(store.listExecutions({ namespaceId: "namespace", query: query({}), limit: 2, after })).rejects.toThrow(PageTokenError);
    },
  );

  test("an unknown namespace has nothing", async () => {
    const store = await fresh();
    expect(await store.listExecutions({ namespaceId: "unknown", query: query({}), limit: 2, after: null })).toEqual({
      executions: [],
      next: null,
    });
    expect(await store.countExecutions({ namespaceId: "unknown", query: query({}) })).toEqual({ total: 0, groups: [] });
  });
}
