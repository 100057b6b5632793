import { expect, test } from "vitest";
import { type ConfigValues, printable, resolveConfig } from "./config.ts";
import { environmentLayer } from "./sources.ts";

const resolve = (encryption: ConfigValues) =>
  resolveConfig([{ values: { encryption }, nameOf: (path) => `${path.join(".")} in holdfast.yaml` }]);
const key = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";

test("keys come from the environment, several at a time", () => {
  const layer = environmentLayer({ HOLDFAST_ENCRYPTION_KEY: `${key},${key}` });
  const config = layer.ok ? resolveConfig([layer.value]) : layer;
  expect(config).toMatchObject({ ok: true, value: { encryption: { key: `${key},${key}`, keyFile: null } } });
});

test.each<[ConfigValues, string]>([
  // A key of digits alone is a number in YAML, and no message shows it.
  [{ key: 31_415_926 }, "encryption.key in holdfast.yaml: expected keys of 32 bytes in base64 or hexadecimal, as a text"],
  [{ key, keyFile: "keys" }, "encryption.keyFile in holdfast.yaml: `encryption.key` is set as well, expected one of them"],
  [{ keyFile: "" }, 'encryption.keyFile in holdfast.yaml: expected a file name, not ""'],
  [{ dataKeyAge: "59m" }, "encryption.dataKeyAge in holdfast.yaml: expected at least 1h"],
  [{ keyfile: "keys" }, "encryption.keyfile in holdfast.yaml: unknown key, did you mean `keyFile`?"],
])("%j is refused", (encryption, sentence) => {
  expect(resolve(encryption)).toEqual({ ok: false, error: [sentence] });
});

test("the printed configuration says that there is a key, and not which", () => {
  const config = resolve({ key });
  const lines = config.ok ? printable(config.value).split("\n") : [];
  expect(lines.filter((line) => line.startsWith("encryption."))).toEqual([
    "encryption.key: ***",
    "encryption.keyFile: null",
    "encryption.dataKeyAge: 30d",
  ]);
  expect(lines.join()).not.toContain(key);
});
