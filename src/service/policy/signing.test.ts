import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readCheckpointOptions } from "../ledger/checkpoint-options.ts";
import { readSigning } from "./signing.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-keys-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const publicPem = publicKey.export({ format: "pem", type: "spki" }).toString();
const privatePem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const [publicFile, privateFile, noKey] = [file("public.pem", publicPem), file("private.pem", privatePem), file("none.pem", "none")];
const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);

test.each([
  ["PEM", publicPem],
  ["base64", raw.toString("base64")],
  ["a file's name", publicFile],
])("a policy key as %s", (_, written) => {
  const signing = readSigning({ keys: [written], required: true });
  expect(signing.ok && signing.value.keys.map((key) => key.equals(publicKey))).toEqual([true]);
});

test.each<[readonly string[], boolean, string]>([
  [[], true, "requirePolicySignature: `policyKeys` names no key that could have signed"],
  [["nowhere.pem"], false, "policyKeys: `nowhere.pem` is neither an Ed25519 public key nor a file that can be read"],
  [[noKey], false, `policyKeys: ${noKey}: a public key is PEM, or 32 bytes in base64 or hexadecimal`],
])("policy keys %j are refused", (keys, required, problem) => {
  expect(readSigning({ keys, required })).toEqual({ ok: false, error: [problem] });
});

test("checkpoints are made with the key of a file, or not at all", () => {
  const options = { interval: 1000, file: "kept.jsonl" };
  const read = readCheckpointOptions({ ...options, key: privateFile });
  expect(read.ok && read.value?.privateKey.equals(privateKey)).toBe(true);
  expect(readCheckpointOptions({ key: null, interval: 1000, file: null })).toEqual({ ok: true, value: null });
});

test("checkpoints are at least a second apart", () => {
  const error = "checkpoints.interval: expected at least 1s";
  expect(readCheckpointOptions({ key: privateFile, interval: 10, file: null })).toEqual({ ok: false, error });
});

test.each<[string | null, string]>([
  [null, "checkpoints.file: without `checkpoints.key` there is nothing to write into it"],
  ["nowhere.pem", "checkpoints.key: ENOENT: no such file or directory, open 'nowhere.pem'"],
  [publicFile, `checkpoints.key: ${publicFile}: a private key is PEM, and not encrypted`],
])("the checkpoint key %j is refused", (key, error) => {
  expect(readCheckpointOptions({ key, interval: 1000, file: "kept.jsonl" })).toEqual({ ok: false, error });
});
