import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { createCommitter } from "../service/committer.ts";
import { startCheckpoints } from "../service/ledger/checkpoints.ts";
import { manualClock } from "../service/service.test-kit.ts";
import { change } from "../store/contract/material.ts";
import { openSqlite } from "../store/sqlite/sqlite.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { run } from "./cli.test-kit.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-audit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("of a running server", () => {
  const policy = "version: v1\nrules: [{ id: refunds, match: { topics: [activity.Refund] }, decision: require_approval }]";
  let api: TestApi;
  beforeAll(async () => {
    api = await openApi(policy);
    const id = await api.hold();
    await api.ask("POST", `/api/v1/approvals/${id}/reject`, { as: "ada" });
  });
  afterAll(() => api.close());
  const audit = (...args: readonly string[]) => run(["audit", ...args, "--address", api.url]);

  test("list shows who decided what", async () => {
    const { printed } = await audit("list");
    const [header = "", ...rows] = printed.split("\n");
    expect(header).toMatch(/^TIME +KIND +RUN +WHAT$/);
    const ofApproval = ["approval-requested", "approval-vote", "approval-closed"];
    expect(rows.map((row) => row.split(/ +/)[1])).toEqual(["decision", "decision", ...ofApproval]);
    expect(rows[1]).toMatch(/^2026-01-01T00:00:00\.000Z {2}decision .*REQUIRE_APPROVAL/);
  });

  test.each<[readonly string[], number]>([
    [["--limit", "2"], 2],
    [["--kind", "approval-vote"], 1],
    [["--since", "2026-01-01T00:00:00Z", "--until", "2026-01-02"], 5],
    [["--until", "2026-01-01T00:00:00Z"], 0],
    [["--run", "another"], 0],
    [["--namespace", "other"], 0],
  ])("list %j has %i", async (args, count) => {
    expect(JSON.parse((await audit("list", "--json", ...args)).printed)).toHaveLength(count);
  });

  test("export prints JSON Lines, or writes them to a new file", async () => {
    const { printed } = await audit("export");
    expect(printed.split("\n").map((line) => JSON.parse(line).kind)).toHaveLength(5);
    const file = join(folder, "ledger.jsonl");
    expect(await audit("export", "--output", file)).toMatchObject({ exitCode: 0, printed: "", complaints: "" });
    expect(readFileSync(file, "utf8")).toBe(`${printed}\n`);
    expect(await audit("export", "--output", file)).toMatchObject({ exitCode: 1, complaints: expect.stringContaining("EEXIST") });
  });

  test.each<[readonly string[], number, string]>([
    [["list", "--since", "soon"], 2, "expected a time such as 2026-01-18T09:30:00Z, or a duration such as 24h"],
    [["list", "--kind", "rumour"], 1, "#/kind: expected some of decision"],
    [["export", "--namespace", "nobody"], 1, "(no-such-namespace)"],
  ])("%j: exit code %i", async (args, exitCode, complaint) => {
    const outcome = await audit(...args);
    expect(outcome.complaints).toContain(complaint);
    expect(outcome).toMatchObject({ exitCode, printed: "" });
  });
});

describe("checkpoint", () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  test("prints what the server signed, and appends it to a file", async () => {
    const api = await openApi(undefined, { checkpoints: { privateKey, interval: 3_600_000, file: null } });
    const checkpoint = (...args: readonly string[]) => run(["audit", "checkpoint", "--as", "ada", "--address", api.url, ...args]);
    await api.core.record({ namespaceId: "orders", at: 0, kind: "decision", runId: null, body: Buffer.from("{}") });
    const { printed } = await checkpoint();
    const sealed = JSON.parse(printed);
    expect(sealed).toMatchObject({ number: 1, chains: 2 });
    expect(sealed.moved).toContainEqual(["orders", expect.any(String), 1, expect.any(String)]);
    const file = join(folder, "kept.jsonl");
    expect(await checkpoint("--output", file)).toMatchObject({ exitCode: 0, printed: "" });
    expect(readFileSync(file, "utf8")).toBe(`${printed}\n`);
    await api.close();
  });

  test("needs a key in the server's configuration", async () => {
    const api = await openApi();
    expect(await run(["audit", "checkpoint", "--as", "ada", "--address", api.url])).toMatchObject({
      exitCode: 1,
      complaints: expect.stringContaining("(no-checkpoint-key)"),
    });
    await api.close();
  });
});

describe("verify", () => {
  let files = 0;
  /** A database with a chain of 1,200 entries and one of 3. */
  async function ledger(): Promise<string> {
    const path = join(folder, `${++files}.db`);
    const store = await openSqlite({ path, writerId: "00000000-0000-4000-8000-000000000001" });
    const entries = (namespaceId: string, count: number) =>
      Array.from(
        { length: count },
        (_, at) => ({ namespaceId, at, kind: "decision", runId: null, body: Buffer.from(`{"at":${at}}`) }) as const,
      );
    await store.commit([change({ ledger: [...entries("orders", 1200), ...entries("shop", 3)] })]);
    await store.close();
    return path;
  }
  const tamper = (path: string, sql: string): void => {
    const db = new Sqlite(path);
    db.exec(sql);
    db.close();
  };

  test("a good ledger", async () => {
    const path = await ledger();
    expect(await run(["audit", "verify", "--db", path])).toMatchObject({
      exitCode: 0,
      complaints: "",
      printed: `2 chains, 1203 good entries, 0 checkpoints
no checkpoint vouches for the ends of the chains: entries cut off there would not be missed
every entry is what was written`,
    });
  });

  test.each([
    [
      "a body",
      "UPDATE ledger SET body = '{}' WHERE at = 700",
      "chain of orders, writer 00000000-0000-4000-8000-000000000001: entry 701 is changed",
    ],
    ["a time", "UPDATE ledger SET at = 5 WHERE at = 700", "entry 701 is changed"],
    ["an entry", "DELETE FROM ledger WHERE at = 700", "entry 701 is removed"],
  ])("the place where %s was touched is named", async (_, sql, place) => {
    const path = await ledger();
    tamper(path, sql);
    const { exitCode, printed } = await run(["audit", "verify", "--db", path]);
    expect(exitCode).toBe(1);
    expect(printed).toContain(place);
    expect(printed).toMatch(/1 fault$/);
    const { faults } = JSON.parse((await run(["audit", "verify", "--json", "--db", path])).printed);
    expect(faults).toMatchObject([{ sequence: 701 }]);
  });

  test("a running server's file is refused, with what to do", async () => {
    const path = await ledger();
    const server = await openSqlite({ path });
    const { exitCode, complaints } = await run(["audit", "verify", "--db", path]);
    await server.close();
    expect(exitCode).toBe(1);
    expect(complaints).toBe(
      `holdfast: database \`${path}\` is in use by process ${process.pid}
holdfast: a running server owns its file: verify a backup of it, or stop the server first`,
    );
  });

  describe("with checkpoints", () => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const keyFile = join(folder, "checkpoints.pem");
    writeFileSync(keyFile, publicKey.export({ format: "pem", type: "spki" }));
    async function sealed(): Promise<{ readonly path: string; readonly kept: string }> {
      const path = await ledger();
      const kept = `${path}.jsonl`;
      const store = await openSqlite({ path, writerId: "00000000-0000-4000-8000-000000000002" });
      const committer = createCommitter({ store, metrics: createMetrics() });
      const options = { privateKey, interval: 3_600_000, file: kept };
      await startCheckpoints(options, { store, committer, clock: manualClock(), log: silentLog }).stop();
      await store.close();
      return { path, kept };
    }
    const verify = (path: string, ...args: readonly string[]) => run(["audit", "verify", "--db", path, "--public-key", keyFile, ...args]);

    test("that are good", async () => {
      const { path, kept } = await sealed();
      expect(await verify(path, "--kept", kept)).toMatchObject({
        exitCode: 0,
        complaints: "",
        printed: `3 chains, 1204 good entries, 1 checkpoint
checkpoints vouch for everything until 2026-01-01T00:00:00.000Z
every entry is what was written`,
      });
    });

    test("without their key they are not checked, and that is said", async () => {
      const { path } = await sealed();
      expect(await run(["audit", "verify", "--db", path])).toMatchObject({
        exitCode: 0,
        complaints: "1 checkpoint was not checked: name their key with --public-key",
      });
    });

    const lastOfOrders = "position = (SELECT max(position) FROM ledger WHERE at < 1200 AND kind = 1 AND position >> 36 = 1)";
    test.each([
      ["the end of a chain", `DELETE FROM ledger WHERE ${lastOfOrders}`, "entry 1200 is gone, with all that came after it"],
      ["the checkpoint as well", `DELETE FROM ledger WHERE ${lastOfOrders}; DELETE FROM ledger WHERE kind = 10`, "checkpoint 1: missing"],
      [
        "the checkpoint's copy as well",
        `DELETE FROM ledger WHERE ${lastOfOrders}; DELETE FROM ledger WHERE kind = 10; DELETE FROM documents`,
        "entry 1200 is gone",
      ],
    ])("show it when somebody cuts off %s", async (_, sql, place) => {
      const { path, kept } = await sealed();
      tamper(path, sql);
      const { exitCode, printed } = await verify(path, "--kept", kept);
      expect(exitCode).toBe(1);
      expect(printed).toContain(place);
    });
  });

  test("a file that is not there, and a key that is none", async () => {
    expect(await run(["audit", "verify", "--db", join(folder, "none.db")])).toMatchObject({
      exitCode: 1,
      complaints: expect.stringContaining("cannot be opened"),
    });
    expect(await run(["audit", "verify", "--db", await ledger(), "--public-key", "package.json"])).toMatchObject({ exitCode: 2 });
  });
});
