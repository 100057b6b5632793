import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { checkSignature, readPublicKey, signBundle } from "./signature.ts";

const content = new TextEncoder().encode("rules: []\n");
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");
const signature = signBundle(content, privateKey);
const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);

test.each([
  ["PEM", publicKey.export({ format: "pem", type: "spki" }).toString()],
  ["base64", raw.toString("base64")],
  ["hexadecimal", ` ${raw.toString("hex")}\n`],
])("a public key in %s", (_form, written) => {
  const key = readPublicKey(written);
  expect(key.ok && checkSignature(content, signature, [key.value]).ok).toBe(true);
});

test.each([
  ["", "a public key is PEM, or 32 bytes in base64 or hexadecimal"],
  ["c2hvcnQ=", "a public key is PEM, or 32 bytes in base64 or hexadecimal"],
  ["-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "the public key cannot be read"],
  [
    generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "pem", type: "spki" }).toString(),
    "expected an Ed25519 key, not rsa",
  ],
])("%j is no key", (written, error) => {
  expect(readPublicKey(written)).toEqual({ ok: false, error });
});

const byNone = "the signature is by none of the given keys, or the bundle was changed after it was signed";
test.each([
  ["as signed", content, signature, [other.publicKey, publicKey], null],
  ["in hexadecimal", content, Buffer.from(signature, "base64").toString("hex"), [publicKey], null],
  ["a changed byte", new TextEncoder().encode("rules: [ ]\n"), signature, [publicKey], byNone],
  ["another's key", content, signature, [other.publicKey], byNone],
  ["no key", content, signature, [], byNone],
  ["another's signature", content, signBundle(content, other.privateKey), [publicKey], byNone],
  ["half a signature", content, signature.slice(0, 40), [publicKey], "a signature is 64 bytes in base64 or hexadecimal"],
])("a signature: %s", (_what, bytes, written, keys, error) => {
  const checked = checkSignature(bytes, written, keys);
  expect(checked.ok ? null : checked.error).toBe(error);
});
