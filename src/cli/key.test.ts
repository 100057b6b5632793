import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { openAccess } from "../service/access/access.ts";
import { type Outcome, run } from "./cli.test-kit.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-key-"));
const token = "t".repeat(32);
const keyText = /^hfk_[0-9a-f]{16}_[\w-]{43}$/;
let api: TestApi;
beforeEach(async () => {
  api = await openApi(undefined, { access: { ...openAccess, required: true, bootstrapToken: token } });
});
afterEach(() => api.close());
afterAll(() => rmSync(folder, { recursive: true }));

const holdfast = (key: string, ...args: readonly string[]): Promise<Outcome> =>
  run([...args, "--address", new URL(api.url).host], { ...(key === "" ? {} : { HOLDFAST_API_KEY: key }) });
const bootstrap = (args: readonly string[] = [], environment: NodeJS.ProcessEnv = { HOLDFAST_BOOTSTRAP_TOKEN: token }): Promise<Outcome> =>
  run(["key", "bootstrap", ...args, "--address", new URL(api.url).host], environment);
const idOf = (text: string): string => text.slice(4, 20);

describe("the first key", () => {
  test("is all that goes to stdout", async () => {
    const { exitCode, printed, complaints } = await bootstrap();
    expect([exitCode, printed]).toEqual([0, expect.stringMatching(keyText)]);
    expect(complaints).toMatch(/Principal +admin \(human\)\nGrants +\*:admin\n/);
    expect(complaints).not.toContain(printed.slice(21));
    expect(await bootstrap()).toMatchObject({ exitCode: 1, complaints: expect.stringContaining("(not-bootstrapping)") });
  });

  test("is made with a token from a file, or from beside the database", async () => {
    const database = join(folder, "holdfast.db");
    expect(await bootstrap([], { HOLDFAST_DB: database })).toMatchObject({
      exitCode: 2,
      complaints: expect.stringContaining(`there is no token in ${join(folder, "bootstrap-token")}`),
    });
    const file = join(folder, "other");
    writeFileSync(file, "wrong\n");
    expect(await bootstrap(["--token-file", file])).toMatchObject({
      exitCode: 1,
      complaints: expect.stringContaining("(bad-bootstrap-token)"),
    });
    writeFileSync(join(folder, "bootstrap-token"), `${token}\n`);
    const { printed } = await bootstrap(["--json", "--name", "ann"], { HOLDFAST_DB: database });
    expect(JSON.parse(printed)).toMatchObject({ principal: "ann", key: expect.stringMatching(keyText) });
  });
});

test("a key is made, used, listed, rotated and revoked", async () => {
  const { printed: root } = await bootstrap();
  const made = await holdfast(
    ...([root, "key", "create", "--name", "ci", "--role", "worker", "--namespace", "orders"] as const),
    ...["--task-queue", "orders-*", "--expires", "90d", "--grant", "billing,mail-*:auditor,worker"],
  );
  expect([made.exitCode, made.printed]).toEqual([0, expect.stringMatching(keyText)]);
  expect(made.complaints).toMatch(/Grants +orders:worker billing,mail-\*:auditor,worker\nTask queues +orders-\*\nStatus +active\n/);
  const me = await holdfast(made.printed, "whoami", "--namespace", "orders");
  expect(me.printed).toMatch(/^Principal +ci \(service\)\nCredential +api-key [0-9a-f]{16}\n/);
  expect(me.printed).toMatch(/\nRoles +worker\nPermissions +.*tasks\.work/);
  expect((await holdfast(made.printed, "whoami", "--namespace", "elsewhere")).printed).toMatch(/Permissions +none here$/);
  const rotated = await holdfast(root, "key", "rotate", idOf(made.printed), "--overlap", "2h");
  expect(rotated.complaints).toMatch(new RegExp(`In place of +${idOf(made.printed)}\n`));
  const [header = "", ...rows] = (await holdfast(root, "key", "list")).printed.split("\n");
  expect(header).toMatch(/^ID +NAME +PRINCIPAL +GRANTS +STATUS +EXPIRES +LAST USED$/);
  expect(rows).toHaveLength(3);
  expect((await holdfast(root, "key", "revoke", idOf(made.printed), idOf(rotated.printed))).exitCode).toBe(0);
  const ended = JSON.parse((await holdfast(root, "key", "list", "--status", "revoked", "--json")).printed) as readonly { id: string }[];
  expect(ended.map(({ id }) => id).sort()).toEqual([idOf(made.printed), idOf(rotated.printed)].sort());
  expect((await holdfast(root, "key", "show", idOf(made.printed))).printed).toMatch(/Status +revoked\n[\s\S]*Revoked +\S+ by admin$/);
  expect(await holdfast(made.printed, "whoami")).toMatchObject({ exitCode: 1, complaints: expect.stringContaining("(unauthenticated)") });
});

test("whoever administers one namespace need not name it", async () => {
  const { printed: root } = await bootstrap();
  const { printed: own } = await holdfast(root, "key", "create", "--name", "boss", "--role", "admin", "--namespace", "orders");
  const made = await holdfast(own, "key", "create", "--name", "theirs", "--grant", "orders:worker");
  expect(made.exitCode).toBe(0);
  expect((await holdfast(own, "key", "list", "--json")).printed).toContain(idOf(made.printed));
  expect(await holdfast(own, "key", "create", "--name", "more", "--role", "worker", "--namespace", "*")).toMatchObject({
    exitCode: 1,
    complaints: expect.stringContaining("keys.write in * (exceeds-own-rights)"),
  });
});

test("a role is saved, shown, listed and deleted", async () => {
  const { printed: root } = await bootstrap();
  const saved = await holdfast(root, "role", "save", "submitter", "--permission", "jobs.read,jobs.write", "--permission", "locks.read");
  expect(saved.printed).toBe("submitter: jobs.read jobs.write locks.read");
  expect((await holdfast(root, "role", "show", "submitter")).printed).toBe("jobs.read\njobs.write\nlocks.read");
  expect((await holdfast(root, "role", "list")).printed).toMatch(/^NAME +FROM +PERMISSIONS\nadmin +built-in .*\nsubmitter +api /s);
  expect((await holdfast(root, "role", "delete", "submitter")).printed).toBe("submitter");
});

test("a server that asks nobody says so", async () => {
  await api.close();
  api = await openApi();
  expect((await holdfast("", "whoami")).printed).toMatch(/^anybody: this server asks nobody who they are/);
});

test.each([
  [["key", "create", "--name", "ci"], 2, /say what the key allows/],
  [["key", "create", "--name", "ci", "--role", "worker"], 2, /--namespace and --role belong together/],
  [["key", "create", "--role", "worker", "--namespace", "a"], 2, /--name/],
  [["key", "create", "--name", "ci", "--grant", "worker"], 2, /expected namespaces:roles/],
  [["key", "create", "--name", "ci", "--grant", "a:worker", "--expires", "soon"], 2, /expected a duration/],
  [["role", "save", "x"], 2, /say what the role allows/],
  [["key", "show", "none"], 1, /unauthenticated/],
] as const)("%j is refused", async (args, exitCode, complaint) => {
  expect(await holdfast("", ...args)).toMatchObject({ exitCode, complaints: expect.stringMatching(complaint) });
});
