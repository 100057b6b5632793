import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import Sqlite from "better-sqlite3";
import { afterAll, describe, expect, test } from "vitest";
import { verifyChain } from "../../governance/ledger/verify-chain.ts";
import { approval } from "../contract/approvals.ts";
import { ledgerEntry } from "../contract/ledger.ts";
import { bytes, change, creation, runKey, update, visibility } from "../contract/material.ts";
import { storeContract } from "../contract.ts";
import { type Store, StoreError } from "../store.ts";
import { applicationId, migrations } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-sqlite-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const freshPath = (): string => join(folder, `${++files}.db`);

storeContract("sqlite in memory", () => openSqlite({ path: ":memory:" }));

const paths = new WeakMap<Store, string>();
async function openFile(path = freshPath()): Promise<Store> {
  const store = await openSqlite({ path });
  paths.set(store, path);
  return store;
}

storeContract("sqlite in a file", openFile, async (store) => {
  await store.close();
  return openFile(paths.get(store));
});

/** The start of a worker process: numbered creations, each number printed once it is acknowledged. */
const committer = join(import.meta.dirname, "sqlite.test-committer.ts");
function startCommitter(path: string) {
  const child = spawn(process.execPath, ["--import", "tsx", committer, path], { stdio: ["ignore", "pipe", "inherit"] });
  return { child, lines: createInterface({ input: child.stdout }) };
}

describe("one process owns the file", () => {
  test("a second opener in this process is refused with the owner's id", async () => {
    const path = freshPath();
    const store = await openSqlite({ path });
    await expect(openSqlite({ path })).rejects.toThrow(new StoreError(`database \`${path}\` is in use by process ${process.pid}`));
    expect(await store.commit([change({ runs: [creation(runKey(1))] })])).toEqual(["committed"]);
    await store.close();
    const next = await openSqlite({ path });
    expect(await next.readRuns("", 10)).toEqual([runKey(1)]);
    await next.close();
  });

  test("a second opener is refused while another process lives, and let in once it is killed", async () => {
    const path = freshPath();
    const { child, lines } = startCommitter(path);
    await once(lines, "line");
    await expect(openSqlite({ path })).rejects.toThrow(`is in use by process ${child.pid}`);
    child.kill("SIGKILL");
    await once(child, "close");
    const store = await openSqlite({ path });
    expect(readFileSync(`${path}.pid`, "utf8")).toBe(`${process.pid}\n`);
    await store.close();
  });

  test("closing carries the log over and leaves one file", async () => {
    const path = freshPath();
    const store = await openSqlite({ path });
    await store.commit([change({ runs: [creation(runKey(1))] })]);
    await store.close();
    await store.close();
    expect([path, `${path}-wal`, `${path}-shm`, `${path}.pid`].map((file) => existsSync(file))).toEqual([true, false, false, false]);
  });
});

describe("opened for looking into it", () => {
  test("a file is read and cannot be written, and a second opener waits its turn", async () => {
    const path = freshPath();
    const store = await openSqlite({ path });
    await store.commit([change({ runs: [creation(runKey(1))] })]);
    await store.close();
    const before = readFileSync(path);
    const reader = await openSqlite({ path, readOnly: true });
    expect(await reader.readRuns("", 10)).toEqual([runKey(1)]);
    await expect(reader.commit([change({ runs: [creation(runKey(2))] })])).rejects.toThrow(StoreError);
    await expect(openSqlite({ path })).rejects.toThrow("is in use");
    await reader.close();
    expect(readFileSync(path)).toEqual(before);
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test("what a killed process left in the log is read as well", async () => {
    const path = freshPath();
    const { child, lines } = startCommitter(path);
    await once(lines, "line");
    child.kill("SIGKILL");
    await once(child, "close");
    const reader = await openSqlite({ path, readOnly: true });
    expect((await reader.readRuns("", 1)).length).toBe(1);
    await reader.close();
  });

  test("a file that a server has is refused, and so is one that is not there or of an older version", async () => {
    const path = freshPath();
    await expect(openSqlite({ path, readOnly: true })).rejects.toThrow("cannot be opened");
    expect(existsSync(path)).toBe(false);
    const store = await openSqlite({ path });
    await expect(openSqlite({ path, readOnly: true })).rejects.toThrow(`is in use by process ${process.pid}`);
    await store.close();
    const db = new Sqlite(path);
    db.prepare("DELETE FROM migrations WHERE number = ?").run(migrations.length);
    db.close();
    await expect(openSqlite({ path, readOnly: true })).rejects.toThrow("was written by an older version");
  });
});

describe("what is not ours to open", () => {
  test("a database of a newer version", async () => {
    const path = freshPath();
    await (await openSqlite({ path })).close();
    const db = new Sqlite(path);
    db.prepare("INSERT INTO migrations (number, applied_at) VALUES (?, 0)").run(migrations.length + 1);
    db.close();
    await expect(openSqlite({ path })).rejects.toThrow(
      `was written by a newer version (schema ${migrations.length + 1}, this program knows ${migrations.length})`,
    );
  });

  test("another program's database", async () => {
    const path = freshPath();
    const db = new Sqlite(path);
    db.exec("CREATE TABLE theirs (a)");
    db.close();
    await expect(openSqlite({ path })).rejects.toThrow(new StoreError(`\`${path}\` is a database of another program`));
  });

  test("a file that is no database", async () => {
    const path = freshPath();
    const content = "this is plain text, long enough to be taken for a header of one hundred bytes: ".repeat(20);
    writeFileSync(path, content);
    await expect(openSqlite({ path })).rejects.toThrow(new StoreError(`\`${path}\` is not a database`));
    expect(readFileSync(path, "utf8")).toBe(content);
  });

  test("a folder, or a file in a folder that does not exist", async () => {
    await expect(openSqlite({ path: folder })).rejects.toThrow(StoreError);
    await expect(openSqlite({ path: join(folder, "absent", "a.db") })).rejects.toThrow("cannot be opened");
  });
});

describe("chains of the ledger", () => {
  const append = async (path: string, writerId: string | undefined, at: number): Promise<readonly string[]> => {
    const store = await openSqlite(writerId === undefined ? { path } : { path, writerId });
    await store.commit([change({ ledger: [ledgerEntry(at)] })]);
    const { heads } = await store.readChains({ namespaceId: "namespace", after: null, limit: 10 });
    const chains = await Promise.all(heads.map((head) => store.readChain(head, 1, 10)));
    await store.close();
    return chains.map((chain) => chain.map((one) => `${one.sequence} at ${one.at}`).join(", "));
  };

  test("each opening writes a chain of its own, unless it is given the writer of the one before", async () => {
    const path = freshPath();
    expect(await append(path, "writer", 1)).toEqual(["1 at 1"]);
    expect(await append(path, undefined, 2)).toEqual(["1 at 1", "1 at 2"]);
    expect(await append(path, undefined, 3)).toEqual(["1 at 1", "1 at 2", "1 at 3"]);
    expect(await append(path, "writer", 4)).toEqual(["1 at 1, 2 at 4", "1 at 2", "1 at 3"]);
  });
});

describe("whoever writes to the file past the store is found out", () => {
  test.each([
    ["UPDATE ledger SET body = x'7b7d' WHERE position & 15 = 3", "changed at 3"],
    ["UPDATE ledger SET at = at + 1 WHERE position & 15 = 3", "changed at 3"],
    ["UPDATE ledger SET kind = 9 WHERE position & 15 = 3", "changed at 3"],
    ["DELETE FROM ledger WHERE position & 15 = 3", "removed at 3"],
    ["DELETE FROM ledger WHERE position & 15 > 3", "truncated at 4"],
    ["UPDATE ledger SET position = position + 100 WHERE position & 15 = 3", "removed at 3"],
    ["UPDATE ledger_chains SET writer_id = 'another'", "changed at 1"],
  ])("%s", async (sql, place) => {
    const path = freshPath();
    const store = await openFile(path);
    await store.commit([change({ ledger: [1, 2, 3, 4, 5].map((at) => ledgerEntry(at)) })]);
    const { heads } = await store.readChains({ namespaceId: "namespace", after: null, limit: 1 });
    await store.close();
    const db = new Sqlite(path);
    db.exec(sql);
    db.close();
    const again = await openFile(path);
    const [chain] = (await again.readChains({ namespaceId: "namespace", after: null, limit: 1 })).heads;
    const entries = chain === undefined ? [] : await again.readChain(chain, 1, 10);
    await again.close();
    const verified = await verifyChain(entries, { chain: chain ?? expect.unreachable("no chain"), known: heads });
    expect(verified.ok ? "whole" : `${verified.error.kind} at ${verified.error.sequence}`).toBe(place);
  });
});

test("a database of the first schema is brought up to date with its runs", async () => {
  const path = freshPath();
  const db = new Sqlite(path);
  db.pragma(`application_id = ${applicationId}`);
  db.exec(`CREATE TABLE migrations (number INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL); ${migrations[0]}`);
  db.exec("INSERT INTO migrations VALUES (1, 0); INSERT INTO namespace_numbers VALUES (1, 'namespace')");
  db.exec("INSERT INTO runs (run_id, namespace, workflow_id, is_current, version, core) VALUES ('old', 1, 'w', 1, 1, x'00')");
  db.close();
  const store = await openSqlite({ path });
  const old = { namespaceId: "namespace", workflowId: "w", runId: "old" };
  expect(await store.commit([change({ runs: [update(old, 1)], putApprovals: [approval(old, "id")], ledger: [ledgerEntry(1)] })])).toEqual([
    "committed",
  ]);
  await store.close();
});

test("each acknowledged commit outlives kill -9, again and again, and the file stays sound", { timeout: 60_000 }, async () => {
  const path = freshPath();
  let acknowledged = 0;
  for (const linesUntilKill of [1, 40, 160, 20]) {
    const { child, lines } = startCommitter(path);
    let seen = 0;
    lines.on("line", (line) => {
      acknowledged = Math.max(acknowledged, Number(line));
      if (++seen === linesUntilKill) child.kill("SIGKILL");
    });
    await once(child, "close");

    const store = await openSqlite({ path });
    for (let number = 1; number <= acknowledged; number++) {
      const run = await store.loadRun(runKey(number));
      expect(run, `run ${number} of ${acknowledged} acknowledged`).not.toBeNull();
      expect(await store.readHistory(runKey(number), { fromEventId: 1, toEventId: 9, eventsMax: 9 })).toHaveLength(run?.version ?? 0);
      const { entries } = await store.readLedger({ namespaceId: "namespace", runId: runKey(number).runId, after: null, limit: 2 });
      expect(entries).toHaveLength(1);
    }
    for (const head of (await store.readChains({ namespaceId: null, after: null, limit: 10 })).heads) {
      const verified = await verifyChain(await store.readChain(head, 1, 1_000_000), { chain: head });
      expect(verified).toMatchObject({ ok: true, value: { count: head.sequence } });
    }
    await store.close();
    expect(integrityOf(path)).toBe("ok");
  }
  expect(acknowledged).toBeGreaterThan(200);
});

test("the log and the file stay bounded when the same runs are written over and over", async () => {
  const path = freshPath();
  const store = await openSqlite({ path });
  const core = new Uint8Array(50_000);
  for (let version = 0; version < 2_000; version++) await store.commit([change({ runs: [update(runKey(1), version, { core })] })]);
  expect(statSync(`${path}-wal`).size).toBeLessThan(33 * 1024 * 1024);
  expect(statSync(path).size).toBeLessThan(1024 * 1024);
  expect(await store.sizeBytes()).toBe(statSync(path).size + statSync(`${path}-wal`).size);
  await store.close();
});

const cannotMount = process.platform !== "linux" ? "not Linux" : process.getuid?.() !== 0 ? "not root" : mountRefused();

/** Containers may forbid it even to root. */
function mountRefused(): string | null {
  const at = join(folder, "probe");
  mkdirSync(at);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", at], { stdio: "ignore" });
    execFileSync("umount", [at]);
    return null;
  } catch {
    return "mount is not allowed";
  }
}

test.skipIf(cannotMount !== null)(
  `a full disk rejects the commit and writes nothing; with space again it goes on${cannotMount === null ? "" : ` (skipped: ${cannotMount})`}`,
  async () => {
    const at = join(folder, "small-disk");
    mkdirSync(at);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", at]);
    try {
      const filler = join(at, "filler");
      fillWith(filler, 1024 * 1024);
      const path = join(at, "store.db");
      const store = await openSqlite({ path });
      const write = (number: number) =>
        store.commit([
          change({
            runs: [
              creation(runKey(number), {
                core: new Uint8Array(100_000).fill(number),
                visibility: visibility({ startTime: number }),
                becomeCurrent: { expectedRunId: null },
              }),
            ],
          }),
          change({ runs: [creation(runKey(1_000 + number), { putItems: [{ kind: 1, id: "a", value: bytes("value") }] })] }),
        ]);
      let written = 0;
      const refusal = await (async (): Promise<unknown> => {
        try {
          for (; written < 100; written++) await write(written);
        } catch (error) {
          return error;
        }
      })();
      expect(refusal).toBeInstanceOf(StoreError);
      expect(String(refusal)).toMatch(/is full|cannot be read or written/);
      expect(written).toBeGreaterThan(3);
      const count = async () => (await store.readRuns("", 1_000)).length;
      expect(await count()).toBe(2 * written);
      expect(await store.currentRunId(runKey(written))).toBeNull();
      await expect(write(written)).rejects.toThrow(StoreError);

      rmSync(filler);
      expect(await write(written)).toEqual(["committed", "committed"]);
      expect(await count()).toBe(2 * written + 2);
      await store.close();
      const again = await openSqlite({ path });
      expect(await again.readRuns("", 1_000)).toHaveLength(2 * written + 2);
      await again.close();
      expect(integrityOf(path)).toBe("ok");
    } finally {
      execFileSync("umount", ["-l", at]);
    }
  },
);

function fillWith(path: string, size: number): void {
  const file = openSync(path, "w");
  writeSync(file, new Uint8Array(size));
  closeSync(file);
}

function integrityOf(path: string): unknown {
  const db = new Sqlite(path);
  // A shared index of the log would be a file more, for which a full disk has no room.
  db.pragma("locking_mode = EXCLUSIVE");
  const found = db.pragma("integrity_check", { simple: true });
  db.close();
  return found;
}
