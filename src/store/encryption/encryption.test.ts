import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterAll, describe, expect, test } from "vitest";
import { dayMs } from "../../base/time.ts";
import { latestCheckpoint } from "../../governance/ledger/checkpoint.ts";
import { approval } from "../contract/approvals.ts";
import { document } from "../contract/documents.ts";
import { ledgerEntry } from "../contract/ledger.ts";
import { holding, limits } from "../contract/limits.ts";
import {
  batch,
  bytes,
  change,
  committed,
  creation,
  entry,
  everythingOf,
  item,
  loaded,
  query,
  runKey,
  text,
  update,
  visibility,
} from "../contract/material.ts";
import { storeContract } from "../contract.ts";
import { openSqlite } from "../sqlite/sqlite.ts";
import { type Store, StoreError } from "../store.ts";
import { type EncryptionOptions, openEncrypted, type Place, refuseEncrypted } from "./encryption.ts";
import { masterKey } from "./master-key.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-encryption-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const freshPath = (): string => join(folder, `${++files}.db`);
const [keyA, keyB] = [masterKey(randomBytes(32)), masterKey(randomBytes(32))];

/** The encrypted store in a file, with what it refused. The file is given up when it cannot be opened. */
async function open(path: string, options: Partial<EncryptionOptions> = {}) {
  const inner = await openSqlite({ path });
  const refused: Place[] = [];
  try {
    const opened = await openEncrypted(inner, { masterKeys: [keyA], refused: (place) => refused.push(place), ...options });
    return { ...opened, inner, refused };
  } catch (error) {
    await inner.close();
    throw error;
  }
}

const openMemory = async (): Promise<Store> => (await open(":memory:")).store;
storeContract("encrypted, in memory", openMemory);

const paths = new WeakMap<Store, string>();
async function openFile(path = freshPath()): Promise<Store> {
  // Small enough that every few commits make a new data key.
  const { store } = await open(path, { usage: { encryptionsMax: 40, reservedAtOnce: 10 } });
  paths.set(store, path);
  return store;
}
storeContract("encrypted, in a file, with many data keys", openFile, async (store) => {
  await store.close();
  return openFile(paths.get(store));
});

const secret = "the secret";
const [first, second] = [runKey(1), runKey(2)];
/** One body of each kind for each of two runs, all of them the secret. */
async function fill(store: Store): Promise<void> {
  for (const [index, run] of [first, second].entries())
    await committed(store, {
      runs: [
        creation(run, {
          core: bytes(secret),
          putItems: [item(1, "a", secret), item(2, "a", secret)],
          history: [batch(1, 2, secret), batch(3, 2, secret)],
          visibility: visibility({ info: bytes(secret) }),
        }),
      ],
      putOutbox: [entry(run, { order: index + 1, body: bytes(secret) })],
      putApprovals: [approval(run, `approval-${index}`, { body: bytes(secret) })],
      putDocuments: [document(`document-${index}`, { body: bytes(secret) })],
      ledger: [ledgerEntry(index)],
      ...limits({ putHoldings: [{ ...holding(run), body: bytes(secret) }] }),
    });
  await store.putNamespace({ id: "n1", name: "one", version: 1, body: bytes(secret) }, []);
  await store.putNamespace({ id: "n2", name: "two", version: 1, body: bytes(secret) }, []);
}

const filesOf = (path: string): Buffer =>
  Buffer.concat([path, `${path}-wal`].filter((file) => existsSync(file)).map((file) => readFileSync(file)));

test("no body is readable in the file or its log, while the store is open and when it is closed", async () => {
  const [plain, encrypted] = [freshPath(), freshPath()];
  const without = await openSqlite({ path: plain });
  const { store } = await open(encrypted);
  for (const one of [without, store]) await fill(one);
  expect([filesOf(plain).includes(secret), filesOf(encrypted).includes(secret)]).toEqual([true, false]);
  await store.close();
  await without.close();
  expect([filesOf(plain).includes(secret), filesOf(encrypted).includes(secret)]).toEqual([true, false]);
});

test("the newest checkpoint stays readable, so that the ledger of a file is verified without a key", async () => {
  const { store, inner } = await open(":memory:");
  const checkpoint = document(latestCheckpoint.id, { kind: latestCheckpoint.kind, body: bytes("{}") });
  await committed(store, { putDocuments: [checkpoint] });
  for (const one of [store, inner])
    expect(text((await one.readDocument(latestCheckpoint.kind, latestCheckpoint.id))?.body ?? bytes(""))).toBe("{}");
  await store.close();
});

test("neither master keys nor data keys are in the file", async () => {
  const path = freshPath();
  const opened = await open(path);
  await fill(opened.store);
  const stored = filesOf(path);
  const master = keyA.key.export();
  for (const form of [master, master.toString("hex"), master.toString("base64")]) expect(stored.includes(form)).toBe(false);
  expect(stored.includes('"keys":[{')).toBe(false);
  await opened.store.close();
});

/** Every way to read a body of the first of two rows. */
const reads: { readonly [table: string]: (store: Store) => Promise<unknown> } = {
  runs: (store) => store.loadRun(first),
  items: (store) => store.loadRun(first),
  history: (store) => store.readHistory(first, { fromEventId: 1, toEventId: 9, eventsMax: 9 }),
  "history, backwards": (store) => store.readHistoryReverse(first, { fromEventId: 1, toEventId: 9, eventsMax: 9 }),
  outbox: (store) => store.readOutbox(0, 10),
  visibility: (store) => store.listExecutions({ namespaceId: "namespace", query: query({}), limit: 10, after: null }),
  approvals: (store) => store.readApproval("approval-0"),
  "approvals, listed": (store) => store.listApprovals({ namespaceId: "namespace", after: null, limit: 10 }),
  documents: (store) => store.readDocument("bundle", "document-0"),
  "documents, listed": (store) => store.listDocuments("bundle", "", 10),
  holdings: (store) => store.readHoldings(null, 10),
  namespaces: (store) => store.readNamespaces(),
};

describe("whoever writes to the file past the store is found out", () => {
  test.each([
    ["runs", "runs", "UPDATE runs SET core = (SELECT core FROM runs WHERE number = 2) WHERE number = 1"],
    ["runs", "runs", "UPDATE runs SET version = 7 WHERE number = 1"],
    ["items", "items", "UPDATE items SET value = (SELECT value FROM items WHERE run = 2 AND kind = 1) WHERE run = 1 AND kind = 1"],
    ["items", "items of another kind", "UPDATE items SET value = (SELECT value FROM items WHERE run = 1 AND kind = 2) WHERE kind = 1"],
    ["history", "history", "UPDATE history SET bytes = (SELECT bytes FROM history ORDER BY position DESC LIMIT 1)"],
    ["history, backwards", "history", "UPDATE history SET bytes = (SELECT bytes FROM history ORDER BY position DESC LIMIT 1)"],
    ["history", "the number of events", "UPDATE history SET event_count = 1"],
    ["outbox", "outbox", "UPDATE outbox SET body = (SELECT body FROM outbox WHERE run = 2)"],
    ["visibility", "visibility", "UPDATE visibility SET info = (SELECT info FROM visibility WHERE run = 2)"],
    ["approvals", "approvals", "UPDATE approvals SET body = (SELECT body FROM approvals WHERE id = 'approval-1')"],
    ["approvals", "a status", "UPDATE approvals SET status = 2"],
    ["approvals, listed", "approvals", "UPDATE approvals SET body = (SELECT body FROM approvals WHERE id = 'approval-1')"],
    ["documents", "documents", "UPDATE documents SET body = (SELECT body FROM documents WHERE id = 'document-1') WHERE kind = 'bundle'"],
    [
      "documents, listed",
      "documents",
      "UPDATE documents SET body = (SELECT body FROM documents WHERE id = 'document-1') WHERE kind = 'bundle'",
    ],
    ["holdings", "holdings", "UPDATE holdings SET body = (SELECT body FROM holdings WHERE run = 2)"],
    ["namespaces", "namespaces", "UPDATE namespaces SET body = (SELECT body FROM namespaces WHERE id = 'n2')"],
    ["runs", "plaintext", "UPDATE runs SET core = x'0801'"],
    ["items", "an empty body", "UPDATE items SET value = x''"],
    ["documents", "a text", "UPDATE documents SET body = 'text' WHERE kind = 'bundle'"],
    ["documents", "a body cut short", "UPDATE documents SET body = substr(body, 1, 20) WHERE kind = 'bundle'"],
  ])("%s: %s changed: %s", async (read, _, sql) => {
    const path = freshPath();
    const before = await open(path);
    await fill(before.store);
    await before.store.close();
    const db = new Sqlite(path);
    db.exec(sql);
    db.close();
    const { store, refused } = await open(path);
    await expect(reads[read]?.(store)).rejects.toThrow(/^what is stored as \[.*\] is not what was encrypted there/);
    expect(refused).toHaveLength(1);
    await store.close();
  });

  test("what was not touched is read as before", async () => {
    const { store } = await open(freshPath());
    await fill(store);
    for (const read of Object.values(reads)) await read(store);
    expect(await loaded(store, first)).toEqual({ version: 1, core: secret, items: [`1/a=${secret}`, `2/a=${secret}`] });
    await store.close();
  });
});

describe("a database that was there before its key", () => {
  const filledInPlain = async (): Promise<string> => {
    const path = freshPath();
    const store = await openSqlite({ path });
    await fill(store);
    await store.close();
    return path;
  };

  test("is read as it is, and what is written from then on is encrypted", async () => {
    const path = await filledInPlain();
    const { store, inner, acceptsPlaintext } = await open(path);
    expect(acceptsPlaintext).toBe(true);
    const plain = await everythingOf(inner);
    expect(await everythingOf(store)).toEqual(plain);
    await committed(store, { runs: [update(first, 1, { core: bytes("changed"), putItems: [item(1, "a", "changed")] })] });
    expect(await loaded(store, first)).toEqual({ version: 2, core: "changed", items: ["1/a=changed", `2/a=${secret}`] });
    const stored = await inner.loadRun(first);
    expect(stored?.core[0]).toBe(0);
    expect(stored?.items.map(({ value }) => value[0] === 0)).toEqual([true, false]);
    await store.close();
    const again = await open(path);
    expect(again.acceptsPlaintext).toBe(true);
    expect((await loaded(again.store, first))?.core).toBe("changed");
    await again.store.close();
  });

  test("an empty one believes nothing that is not encrypted, from the start", async () => {
    const { store, acceptsPlaintext } = await open(freshPath());
    expect(acceptsPlaintext).toBe(false);
    await store.close();
  });
});

describe("keys", () => {
  const filled = async (): Promise<string> => {
    const path = freshPath();
    const { store } = await open(path);
    await fill(store);
    await store.close();
    return path;
  };

  test("a wrong key is refused, and nothing is changed", async () => {
    const path = await filled();
    const before = readFileSync(path);
    await expect(open(path, { masterKeys: [keyB] })).rejects.toThrow(
      new StoreError(
        `the database is encrypted under master key ${keyA.fingerprint}, which is none of those given (${keyB.fingerprint}): give it too`,
      ),
    );
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("no key is refused", async () => {
    const store = await openSqlite({ path: await filled() });
    await expect(refuseEncrypted(store)).rejects.toThrow("the database is encrypted and no key is given");
    await store.close();
    const plain = await openSqlite({ path: ":memory:" });
    await refuseEncrypted(plain);
    await plain.close();
  });

  test.each([
    ["damaged", "UPDATE documents SET body = substr(body, 1, 60) WHERE kind = 'encryption-keys'", "are damaged"],
    [
      "changed",
      `UPDATE documents SET body = replace(CAST(body AS TEXT), '"ring":"AAE', '"ring":"AAF') WHERE kind = 'encryption-keys'`,
      "are damaged",
    ],
    ["gone", "DELETE FROM documents WHERE kind = 'encryption-keys'", "its data keys are gone: restore a backup"],
  ])("data keys that are %s are refused", async (_, sql, sentence) => {
    const path = await filled();
    const db = new Sqlite(path);
    db.exec(sql);
    db.close();
    await expect(open(path)).rejects.toThrow(sentence);
  });

  test("the master key is replaced: with both once, then with the new one alone", async () => {
    const path = await filled();
    const both = await open(path, { masterKeys: [keyB, keyA] });
    expect([both.masterKey, both.rewrappedFrom, both.dataKeys]).toEqual([keyB.fingerprint, keyA.fingerprint, 2]);
    const held = await everythingOf(both.store);
    await committed(both.store, { runs: [update(second, 1, { core: bytes("after") })] });
    await both.store.close();

    await expect(open(path, { masterKeys: [keyA] })).rejects.toThrow(`is encrypted under master key ${keyB.fingerprint}`);
    const alone = await open(path, { masterKeys: [keyB] });
    expect([alone.rewrappedFrom, alone.dataKeys]).toEqual([null, 2]);
    expect(await loaded(alone.store, first)).toEqual({ version: 1, core: secret, items: [`1/a=${secret}`, `2/a=${secret}`] });
    expect((await everythingOf(alone.store)).documents).toEqual(held.documents);
    expect((await loaded(alone.store, second))?.core).toBe("after");
    await alone.store.close();
  });

  test("a data key is used for its time and for its number of encryptions, over restarts as well", async () => {
    const path = freshPath();
    let now = 0;
    const usage = { dataKeyAge: 30 * dayMs, encryptionsMax: 100, reservedAtOnce: 40 };
    const reopened = () => open(path, { now: () => now, usage });
    /** The id of the data key that a document is encrypted with. */
    const writeOne = async ({ store, inner }: Awaited<ReturnType<typeof reopened>>, id: string): Promise<number | undefined> => {
      await committed(store, { putDocuments: [document(id)] });
      const stored = await inner.readDocument("bundle", id);
      return stored === null ? undefined : Buffer.from(stored.body).readUInt32BE(2);
    };

    let opened = await reopened();
    expect(await writeOne(opened, "a")).toBe(1);
    for (let restarts = 0; restarts < 2; restarts++) {
      await opened.store.close();
      opened = await reopened();
      // What a process has not used of its 40 is given up, so that the third of them is past the 100.
      expect(await writeOne(opened, `b${restarts}`)).toBe(restarts === 0 ? 1 : 2);
    }
    now += 30 * dayMs;
    expect(await writeOne(opened, "c")).toBe(3);
    // More than a reservation, at once.
    const many = Array.from({ length: 120 }, (_, index) => document(`many-${index}`));
    await committed(opened.store, { putDocuments: many });
    expect((await opened.store.listDocuments("bundle", "many", 200)).map(({ body }) => text(body))).toHaveLength(120);
    expect(text((await opened.store.readDocument("bundle", "a"))?.body ?? bytes(""))).toBe("body of a");
    await opened.store.close();
  });

  test("commits that need a new data key at one time share it", async () => {
    const { store } = await open(freshPath(), { usage: { encryptionsMax: 10, reservedAtOnce: 5 } });
    const ids = Array.from({ length: 50 }, (_, index) => `document-${index}`);
    const outcomes = await Promise.all(ids.map((id) => store.commit([change({ putDocuments: [document(id)] })])));
    expect(outcomes.flat()).toEqual(ids.map(() => "committed"));
    expect(await store.listDocuments("bundle", "", 100)).toHaveLength(50);
    await store.close();
  });
});
