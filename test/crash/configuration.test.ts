import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

// What only the built command shows: its bundle loads the parser of configuration files when one is named.

const folder = mkdtempSync(join(tmpdir(), "holdfast-configuration-"));
afterAll(() => rmSync(folder, { recursive: true }));
const holdfast = (...args: readonly string[]) =>
  promisify(execFile)(process.execPath, [fileURLToPath(new URL("../../bin/holdfast.js", import.meta.url)), ...args]);

test("the built server reads a configuration file, and says what is wrong in it", async () => {
  const file = join(folder, "holdfast.yaml");
  writeFileSync(file, "limits: { blobSizeEror: 1MiB }");
  await expect(holdfast("server", "--config", file)).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`limits.blobSizeEror in ${file}: unknown key, did you mean \`blobSizeError\`?`),
  });
});
