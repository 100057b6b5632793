import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hourMs } from "../../base/time.ts";
import { manualClock, openCore, openTestStore, type TestCore, type TestStore } from "../service.test-kit.ts";
import { artifactDefaults, idInPointer, isContentType, pointerOf } from "./artifact.ts";

const options = { ...artifactDefaults, totalBytesMax: 10_000 };
const clock = manualClock();

let store: TestStore;
let core: TestCore;
beforeEach(async () => {
  store = await openTestStore();
  core = await openCore({ store, clock, artifacts: options });
});
afterEach(async () => {
  await core.stop();
  await store.close();
});

const save = ({ artifacts }: Pick<TestCore, "artifacts">, { id = randomUUID() as string, content = "a", retention = "short" } = {}) =>
  artifacts.save("default", {
    id,
    content: Buffer.from(content),
    contentType: "text/plain",
    retention: retention as "short",
    labels: {},
    by: "ada",
    bytesMax: Number.POSITIVE_INFINITY,
  });
const documents = async (): Promise<number> => {
  const kinds = ["artifact", "artifact-content", "artifact-listed", "artifact-expiry", "artifact-room"];
  return (await Promise.all(kinds.map((kind) => store.listDocuments(kind, "", 1_000)))).flat().length;
};

test("what was answered is there after a restart, and its time goes on", async () => {
  const id = randomUUID();
  await save(core, { id, content: "kept" });
  await core.stop();
  core = await openCore({ store, clock, artifacts: options });
  const found = await core.artifacts.get("default", id);
  expect(found.ok && Buffer.from(found.value.content).toString()).toBe("kept");
  clock.jump(24 * hourMs);
  expect(await core.artifacts.deleteExpired()).toBe(1);
  expect(await documents()).toBe(0);
});

test("what could not be written is not there, nor does it take room", async () => {
  const heal = store.fail();
  await expect(save(core, { content: "a".repeat(8_000) })).rejects.toThrow("disk full");
  heal();
  expect(await documents()).toBe(0);
  expect((await save(core, { content: "a".repeat(8_000) })).ok).toBe(true);
});

test("asked twice with one id, it is one artifact, whatever the content", async () => {
  const id = randomUUID();
  const [first, second] = [await save(core, { id }), await save(core, { id, content: "other" })];
  expect(second).toEqual(first);
  expect(await documents()).toBe(5);
});

test("servers that share a database keep the bound together", async () => {
  const other = await openCore({ store, clock, artifacts: options });
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) => save(index % 2 === 0 ? core : other, { content: "a".repeat(2_000) })),
  );
  await other.stop();
  const saved = answers.filter(({ ok }) => ok).length;
  expect(saved).toBeGreaterThan(0);
  expect(saved * 2_000).toBeLessThanOrEqual(options.totalBytesMax);
  expect(await documents()).toBe(saved * 4 + 1);
});

test("those that expire late do not keep those that expire early", async () => {
  await save(core, { retention: "audit" });
  await save(core, { retention: "short" });
  clock.jump(24 * hourMs);
  expect(await core.artifacts.deleteExpired()).toBe(1);
  expect(await documents()).toBe(5);
});

test.each([
  ["redis://art:0f5e8a1c-2f3b-4f0e-9d8e-0c7b5a3f1e2d", "0f5e8a1c-2f3b-4f0e-9d8e-0c7b5a3f1e2d"],
  ["art:0f5e8a1c-2f3b-4f0e-9d8e-0c7b5a3f1e2d", "0f5e8a1c-2f3b-4f0e-9d8e-0c7b5a3f1e2d"],
  ["redis://ctx:0f5e8a1c-2f3b-4f0e-9d8e-0c7b5a3f1e2d", null],
  ["redis://art:../0f5e8a1c-2f3b-4f0e-9d8e-0c7b5a3f1e2d", null],
  ["redis://art:0f5e8a1c-2f3b-4f0e-9d8e-0c7b5a3f1e2d/x", null],
  ["", null],
])("%s points to %s", (pointer, id) => {
  expect(idInPointer(pointer)).toBe(id);
  if (id !== null) expect(idInPointer(pointerOf({ id }))).toBe(id);
});

test.each([
  ["text/plain", true],
  ["application/vnd.acme+json; charset=utf-8", true],
  ["text", false],
  ["text/", false],
  ["text/plain\n", false],
  ["text/plain; a\r\nb: c", false],
])("%j can stand in a header: %s", (text, expected) => {
  expect(isContentType(text)).toBe(expected);
});
