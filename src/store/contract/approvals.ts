import { expect, test } from "vitest";
import { type ApprovalWrite, PageTokenError, type RunKey, type Store } from "../store.ts";
import { bytes, change, committed, creation, runKey, text } from "./material.ts";

const pending = 1;
const granted = 2;

export const approval = (run: RunKey, id: string, given: Partial<ApprovalWrite> = {}): ApprovalWrite => ({
  id,
  run,
  expectedVersion: 0,
  scheduledEventId: 5,
  createdAt: 1_000,
  status: pending,
  body: bytes(`body of ${id}`),
  ...given,
});

export function approvalsContract(fresh: () => Promise<Store>): void {
  const [a, b] = [runKey(1), runKey(2)];
  const stranger = { ...runKey(3), namespaceId: "other" };

  async function filled(): Promise<Store> {
    const store = await fresh();
    await committed(store, {
      runs: [creation(a), creation(b), creation(stranger)],
      putApprovals: [
        approval(a, "m", { createdAt: 2_000 }),
        approval(b, "c", { createdAt: 1_000 }),
        approval(a, "k", { createdAt: 1_000, status: granted }),
        approval(b, "a", { createdAt: 3_000, status: granted }),
        approval(stranger, "z", { createdAt: 1_500 }),
      ],
    });
    return store;
  }
  const listing = async (store: Store, given: Partial<Parameters<Store["listApprovals"]>[0]>) =>
    store.listApprovals({ namespaceId: "namespace", limit: 10, after: null, ...given });
  const listed = async (store: Store, given: Parameters<typeof listing>[1] = {}): Promise<string> =>
    (await listing(store, given)).approvals.map(({ id }) => id).join("");

  test("an approval is written one version after the other", async () => {
    const store = await fresh();
    const first = approval(a, "id");
    await committed(store, { runs: [creation(a)], putApprovals: [first] });
    expect(await store.commit([change({ putApprovals: [first] })])).toEqual(["conflict"]);
    const second = { ...first, expectedVersion: 1, status: granted, body: bytes("granted") };
    expect(await store.commit([change({ putApprovals: [second] }), change({ putApprovals: [second] })])).toEqual(["committed", "conflict"]);
    const { body, ...rest } = (await store.readApproval("id")) ?? expect.unreachable("no approval");
    expect(rest).toEqual({ id: "id", version: 2, run: a, scheduledEventId: 5, createdAt: 1_000, status: granted });
    expect(text(body)).toBe("granted");
    expect(await store.readApproval("absent")).toBeNull();
  });

  test.each([
    ["of a run that is not there", approval(runKey(9), "new")],
    ["of a version that is not there", approval(a, "new", { expectedVersion: 1 })],
    ["that exists", approval(a, "m")],
    ["that belongs to another run", approval(b, "m", { expectedVersion: 1 })],
  ])("an approval %s is a conflict, and the change leaves nothing", async (_, write) => {
    const store = await filled();
    const run = runKey(7);
    expect(await store.commit([change({ runs: [creation(run)], putApprovals: [write] })])).toEqual(["conflict"]);
    expect(await store.loadRun(run)).toBeNull();
    expect(await listed(store)).toBe("ckma");
  });

  test.each([
    ["all, oldest first", {}, "ckma"],
    ["by status", { status: pending }, "cm"],
    ["of a run", { runId: a.runId }, "km"],
    ["of a run by status", { runId: a.runId, status: granted }, "k"],
    ["of a run in another namespace", { runId: stranger.runId }, ""],
    ["of a run that is not there", { runId: "absent" }, ""],
    ["of a workflow id", { workflowId: a.workflowId }, "km"],
    ["of a workflow id by status", { workflowId: a.workflowId, status: pending }, "m"],
    ["of a workflow id and another's run", { workflowId: a.workflowId, runId: b.runId }, ""],
    ["of a workflow id in another namespace", { workflowId: a.workflowId, namespaceId: stranger.namespaceId }, ""],
    ["of a workflow id, the first", { workflowId: a.workflowId, limit: 1 }, "k"],
    ["the first two", { limit: 2 }, "ck"],
  ])("lists %s", async (_, given, ids) => {
    expect(await listed(await filled(), given)).toBe(ids);
  });

  test.each([
    ["pending ones", { status: pending }, { count: 2, oldestAt: 1_000 }],
    ["those of another namespace", { namespaceId: stranger.namespaceId, status: pending }, { count: 1, oldestAt: 1_500 }],
    ["none", { status: 77 }, { count: 0, oldestAt: null }],
    ["none where nothing is", { namespaceId: "absent", status: pending }, { count: 0, oldestAt: null }],
  ])("counts %s", async (_, given, counted) => {
    expect(await (await filled()).countApprovals({ namespaceId: "namespace", ...given })).toEqual(counted);
  });

  test("pages follow each other while approvals come and close", async () => {
    const store = await filled();
    const first = await listing(store, { limit: 2 });
    await committed(store, {
      putApprovals: [approval(a, "n", { createdAt: 4_000 }), approval(a, "m", { expectedVersion: 1, status: granted })],
    });
    const second = await listing(store, { limit: 2, after: first.next });
    const third = await listing(store, { limit: 2, after: second.next });
    expect([first, second, third].map((page) => page.approvals.map(({ id }) => id).join(""))).toEqual(["ck", "ma", "n"]);
    expect(third.next).toBeNull();
    await expect(listing(store, { after: "nonsense" })).rejects.toThrow(PageTokenError);
  });

  test("an approval goes with its run", async () => {
    const store = await filled();
    await store.deleteRuns([a]);
    expect(await listed(store)).toBe("ca");
    expect(await store.readApproval("m")).toBeNull();
    expect(text((await store.readApproval("c"))?.body ?? bytes(""))).toBe("body of c");
  });
}
