import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { type Outcome, run } from "./cli.test-kit.ts";

// The commands of what is kept beside workflows and jobs: schemas, locks, artifacts.

const folder = mkdtempSync(join(tmpdir(), "holdfast-documents-"));
let api: TestApi;
beforeEach(async () => {
  api = await openApi();
});
afterEach(() => api.close());
afterAll(() => rmSync(folder, { recursive: true }));

const holdfast = (...args: readonly string[]): Promise<Outcome> => run([...args, "--address", new URL(api.url).host]);
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

test("a schema is saved, listed, shown and deleted", async () => {
  const path = file("order.json", '{"type": "object"}');
  expect((await holdfast("schema", "save", "acme/order", `@${path}`, "--as", "ada")).printed).toBe("saved acme/order");
  expect((await holdfast("schema", "list")).printed).toBe("acme/order");
  expect(JSON.parse((await holdfast("schema", "show", "acme/order")).printed)).toEqual({ type: "object" });
  expect(JSON.parse((await holdfast("schema", "show", "acme/order", "--json")).printed)).toMatchObject({ updated_by: "ada" });
  expect((await holdfast("schema", "delete", "acme/order")).printed).toBe("deleted acme/order");
  expect((await holdfast("schema", "list")).printed).toBe("there are no schemas");
});

test("a lock is acquired, shared, renewed, released and freed", async () => {
  const held = await holdfast("lock", "acquire", "db/orders", "--owner", "a", "--shared", "--ttl", "10m");
  const [header = "", row = ""] = held.printed.split("\n");
  expect(header).toMatch(/^RESOURCE +MODE +OWNER +TIMES +UNTIL$/);
  expect(row).toBe("db/orders  shared  a      1      2026-01-01T00:10:00.000Z");
  expect((await holdfast("lock", "show", "db/orders")).printed).toBe(held.printed);
  expect(await holdfast("lock", "acquire", "db/orders", "--owner", "b")).toMatchObject({ exitCode: 1 });
  expect((await holdfast("lock", "renew", "db/orders", "--owner", "a", "--ttl", "1h")).printed).toContain("2026-01-01T01:00:00.000Z");
  const taken = await holdfast("lock", "acquire", "db/orders", "--owner", "b", "--force", "--as", "ada", "--json");
  expect(JSON.parse(taken.printed)).toMatchObject({ owners: { b: 1 } });
  expect((await holdfast("lock", "release", "db/orders", "--owner", "b")).printed).toBe("db/orders is free");
  await holdfast("lock", "acquire", "db/orders", "--owner", "c");
  expect((await holdfast("lock", "release", "db/orders", "--force", "--as", "ada", "--reason", "gone")).printed).toBe("db/orders is free");
});

describe("an artifact", () => {
  const bytes = Buffer.from([0, 255, 10, 13, 0]);
  const put = async (...args: readonly string[]): Promise<string> =>
    (await holdfast("artifact", "put", file("a.bin", bytes), "--as", "ada", ...args)).printed;

  test("is put, listed, got and deleted", async () => {
    const pointer = await put("--content-type", "x/y", "--retention", "audit", "--label", "run=7", "--label", "env=dev");
    expect(pointer).toMatch(/^redis:\/\/art:[0-9a-f-]{36}$/);
    const [header = "", row = ""] = (await holdfast("artifact", "list", "--label", "run=7", "--retention", "audit")).printed.split("\n");
    expect(header).toMatch(/^ARTIFACT +TYPE +BYTES +RETENTION +UNTIL +BY +LABELS$/);
    expect(row).toMatch(/^art:\S+ +x\/y +5 +audit +2026-01-31T00:00:00.000Z +ada +run=7 env=dev$/);
    expect((await holdfast("artifact", "get", pointer)).bytesPrinted).toEqual(bytes);
    const shown = JSON.parse((await holdfast("artifact", "get", pointer.replace("redis://", ""), "--json")).bytesPrinted.toString());
    expect(shown).toMatchObject({ artifact_ptr: pointer, content_base64: bytes.toString("base64") });
    expect((await holdfast("artifact", "delete", pointer)).printed).toBe(`deleted ${pointer}`);
    expect((await holdfast("artifact", "list")).printed).toBe("there are no artifacts");
  });

  test("is written to a file that is not there yet", async () => {
    const pointer = await put();
    const output = join(folder, "copy.bin");
    expect(await holdfast("artifact", "get", pointer, "--output", output)).toMatchObject({ exitCode: 0, printed: "" });
    expect(readFileSync(output)).toEqual(bytes);
    expect(await holdfast("artifact", "get", pointer, "--output", output)).toMatchObject({
      exitCode: 2,
      complaints: expect.stringContaining("cannot write"),
    });
  });

  test("is one for a key", async () => {
    expect(await put("--key", "k")).toBe(await put("--key", "k"));
    expect(JSON.parse((await holdfast("artifact", "list", "--json")).printed)).toHaveLength(1);
  });
});

test.each([
  [["schema", "save", "a", "{"], 2, /expected JSON/],
  [["schema", "save", "a", '{"type": "nonsense"}'], 1, /invalid-schema/],
  [["schema", "show", "none"], 1, /no-such-schema/],
  [["lock", "acquire", "r"], 2, /--owner/],
  [["lock", "release", "r"], 2, /say --owner, or --force/],
  [["lock", "release", "r", "--owner", "a", "--force"], 2, /say --owner, or --force/],
  [["lock", "acquire", "r", "--owner", "a", "--ttl", "soon"], 2, /expected a duration/],
  [["lock", "show", "r"], 1, /no-such-lock/],
  [["artifact", "put", "/nowhere/a"], 2, /cannot read/],
  [["artifact", "put", "package.json", "--max-bytes", "3"], 1, /artifact too large \(artifact-too-large\)/],
  [["artifact", "put", "package.json", "--retention", "forever"], 2, /short, standard, audit/],
  [["artifact", "put", "package.json", "--label", "x"], 2, /expected name=value/],
  [["artifact", "get", "none"], 1, /no-such-artifact/],
  [["artifact", "delete", "none"], 1, /no-such-artifact/],
] as const)("%j is refused", async (args, exitCode, complaint) => {
  expect(await holdfast(...args)).toMatchObject({ exitCode, complaints: expect.stringMatching(complaint) });
});
