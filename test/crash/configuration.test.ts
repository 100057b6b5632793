import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

// What only the built command shows: its bundle loads the parser of configuration files when one is named, and a server asks who calls.

const folder = mkdtempSync(join(tmpdir(), "holdfast-configuration-"));
afterAll(() => rmSync(folder, { recursive: true }));
const bin = fileURLToPath(new URL("../../bin/holdfast.js", import.meta.url));
const holdfast = (...args: readonly string[]) => promisify(execFile)(process.execPath, [bin, ...args]);

test("the built server reads a configuration file, and says what is wrong in it", async () => {
  const file = join(folder, "holdfast.yaml");
  writeFileSync(file, "limits: { blobSizeEror: 1MiB }");
  await expect(holdfast("server", "--config", file)).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`limits.blobSizeEror in ${file}: unknown key, did you mean \`blobSizeError\`?`),
  });
});

test("the built server asks who calls, and its file opens it once", async () => {
  const database = join(folder, "holdfast.db");
  const token = join(folder, "bootstrap-token");
  const server = spawn(process.execPath, [bin, "server", "--db", database, "--port", "0", "--http-port", "0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(server, "exit");
  try {
    let address = "";
    for await (const line of createInterface(server.stdout)) {
      address = /^ready: gRPC \S+, HTTP (\S+)/.exec(line)?.[1] ?? "";
      if (address !== "") break;
    }
    const at = ["--address", address];
    await expect(holdfast("job", "list", ...at)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("(unauthenticated)") });
    expect(statSync(token).mode & 0o777).toBe(0o600);
    const { stdout } = await holdfast("key", "bootstrap", "--token-file", token, ...at);
    expect(existsSync(token)).toBe(false);
    expect((await holdfast("job", "list", "--api-key", stdout.trim(), ...at)).stdout).toContain("there are no");
  } finally {
    server.kill("SIGTERM");
    await ended;
  }
});

test("the built server does not start without authentication, unless it is told to", async () => {
  const file = join(folder, "open.yaml");
  writeFileSync(file, "auth: { required: false }\n");
  await expect(holdfast("server", "--db", ":memory:", "--config", file)).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--allow-unauthenticated"),
  });
});
