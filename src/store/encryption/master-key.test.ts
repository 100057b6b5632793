import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { masterKey, readMasterKeys } from "./master-key.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-master-key-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fileWith = (content: string): string => {
  const path = join(folder, "keys");
  writeFileSync(path, content);
  return path;
};

const [a, b] = [randomBytes(32), randomBytes(32)];
const [printA, printB] = [a, b].map((bytes) => masterKey(bytes).fingerprint);
const read = (given: { key?: string; keyFile?: string }) => {
  const keys = readMasterKeys({ key: given.key ?? null, keyFile: given.keyFile ?? null });
  return keys.ok ? (keys.value?.map(({ fingerprint }) => fingerprint) ?? null) : keys.error;
};

test.each([
  ["base64", a.toString("base64")],
  ["base64 without padding", a.toString("base64").replace("=", "")],
  ["base64url", a.toString("base64url")],
  ["hexadecimal", a.toString("hex")],
  ["hexadecimal in capitals", a.toString("hex").toUpperCase()],
  ["with white space around", `  ${a.toString("hex")}\n`],
])("a key in %s", (_, written) => {
  expect(read({ key: written })).toEqual([printA]);
});

describe("several keys, the newest first", () => {
  const [textA, textB] = [a.toString("base64"), b.toString("hex")];
  test.each([
    ["in one value", { key: `${textB}, ${textA}` }, [printB, printA]],
    ["in a file", { keyFile: fileWith(`# of March\n${textB}\n\n# of February\n${textA} # goes in April\n`) }, [printB, printA]],
    ["none at all", {}, null],
  ])("%s", (_, given, fingerprints) => {
    expect(read(given)).toEqual(fingerprints);
  });
});

const short = a.subarray(0, 31).toString("base64");
test.each([
  [{ key: "hunter2" }, "encryption.key: expected 32 bytes in base64 or hexadecimal, which key 1 is not"],
  [{ key: `${a.toString("hex")},${short}` }, "encryption.key: expected 32 bytes in base64 or hexadecimal, which key 2 is not"],
  [{ key: `${a.toString("hex")},${a.toString("base64")}` }, "encryption.key: key 2 is there twice"],
  [{ key: " , " }, "encryption.key: expected a key of 32 bytes in base64 or hexadecimal, found none"],
  [{ keyFile: join(folder, "absent") }, /^encryption\.keyFile: ENOENT/],
])("%# is refused: %s", (given, sentence) => {
  const refusal = read(given);
  if (typeof sentence === "string") expect(refusal).toBe(sentence);
  else expect(refusal).toMatch(sentence);
  for (const secret of ["hunter2", short, a.toString("hex")]) expect(refusal).not.toContain(secret);
});

test("a key does not show when it is printed", () => {
  const printed = inspect(masterKey(a), { depth: 9, showHidden: true }) + JSON.stringify(masterKey(a));
  for (const form of [a.toString("hex"), a.toString("base64")]) expect(printed).not.toContain(form);
  expect(printed).toContain(printA);
});
