import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diffRefusal, readDiff } from "./diff.ts";
import { networkRefusal } from "./network.ts";
import { pathAllowed } from "./paths.ts";
import { redacted } from "./redaction.ts";
import { commandRefusal, toolRefusal } from "./tools.ts";

describe("the network", () => {
  const addresses: { readonly [host: string]: readonly string[] } = {
    "inside.example": ["10.1.2.3"],
    "half.example": ["10.1.2.3", "203.0.113.9"],
    "six.example": ["fd00::7"],
    "nowhere.example": [],
  };
  const resolve = async (host: string) =>
    (addresses[host] ?? ["203.0.113.1"]).map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));

  test.each([
    // URL                              allow list                         allowed
    ["https://api.example.com/v1", ["api.example.com"], true],
    ["https://API.example.com./v1", ["api.example.com"], true],
    ["https://api.example.com.evil.net/", ["api.example.com"], false],
    ["https://evil.net/api.example.com", ["api.example.com"], false],
    ["https://api.example.com@evil.net/", ["api.example.com"], false],
    ["https://a.b.example.com/", ["*.example.com"], true],
    ["https://example.com/", ["*.example.com"], false],
    ["https://api.example.com/", ["api.example.com:443"], true],
    ["http://api.example.com/", ["api.example.com:443"], false],
    ["https://api.example.com:8443/", ["api.example.com:8443"], true],
    ["ftp://api.example.com/", ["api.example.com"], false],
    ["file:///etc/passwd", ["*"], false],
    ["http://127.0.0.1/", ["127.0.0.1"], true],
    ["http://2130706433/", ["127.0.0.1"], true],
    ["http://127.0.0.1/", ["*"], false],
    ["http://127.0.0.1/", ["localhost"], false],
    ["http://[::1]:8080/", ["::1"], true],
    ["http://inside.example/", ["10.0.0.0/8"], true],
    ["http://half.example/", ["10.0.0.0/8"], false],
    ["http://half.example/", ["10.0.0.0/8", "half.example"], true],
    ["http://six.example/", ["fd00::/8"], true],
    ["http://outside.example/", ["10.0.0.0/8"], false],
    ["http://nowhere.example/", ["10.0.0.0/8"], false],
    ["http://anything.example/", [], false],
  ] as const)("%s among %j: %s", async (url, networkAllowlist, allowed) => {
    const refusal = await networkRefusal(new URL(url), { sandbox: { networkAllowlist } }, resolve);
    expect(refusal === null).toBe(allowed);
  });

  test("without a list everything, in isolation nothing", async () => {
    const url = new URL("https://example.com/");
    expect(await networkRefusal(url, {}, resolve)).toBeNull();
    expect(await networkRefusal(url, { sandbox: { isolated: true } }, resolve)).toContain("without a network");
  });

  test("an entry that is no pattern allows nothing", async () => {
    await expect(networkRefusal(new URL("https://a/"), { sandbox: { networkAllowlist: ["[a"] } }, resolve)).rejects.toThrow(
      "is no pattern",
    );
  });
});

describe("files", () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-guard-")));
  const at = (path: string): string => join(folder, path);
  beforeAll(() => {
    for (const name of ["data", "out", "secret", "out-of-bounds"]) mkdirSync(at(name));
    writeFileSync(at("secret/key"), "");
    symlinkSync(at("secret"), at("out/link"));
    symlinkSync(at("out"), at("alias"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const sandbox = { fsReadOnly: [at("data"), at("*.md")], fsReadWrite: [at("alias")] };

  test.each([
    ["data/a/b.txt", "read", "data/a/b.txt"],
    ["data/a/b.txt", "write", null],
    ["README.md", "read", "README.md"],
    ["out/new/file", "write", "out/new/file"],
    ["alias/file", "write", "out/file"],
    ["out/file", "read", "out/file"],
    ["out/link/key", "write", null],
    ["out/link/new", "write", null],
    ["out/../secret/key", "read", null],
    ["out-of-bounds/file", "write", null],
    [".", "read", null],
  ] as const)("%s to %s leads to %s", async (path, access, leads) => {
    const allowed = await pathAllowed(at(path), access, { sandbox });
    expect("path" in allowed ? allowed.path : null).toBe(leads === null ? null : at(leads));
  });

  test("without lists everything; an empty one allows nothing", async () => {
    expect(await pathAllowed(at("secret/key"), "write", {})).toEqual({ path: at("secret/key") });
    expect(await pathAllowed(at("secret/key"), "read", { sandbox: { fsReadOnly: [] } })).toHaveProperty("refusal");
  });
});

test.each([
  [["git", "log", "--oneline"], true],
  [["git", "push"], false],
  [["git"], false],
  [["ls"], true],
  [["lsof"], false],
] as const)("the command %j: %s", (command, allowed) => {
  expect(commandRefusal(command, { toolchain: { allowedCommands: ["git log", "ls"] } }) === null).toBe(allowed);
});
test("tools and commands that nobody restricts", () => {
  expect([toolRefusal("git", {}), commandRefusal(["rm"], {}), toolRefusal("git", { toolchain: { allowedTools: ["git"] } })]).toEqual([
    null,
    null,
    null,
  ]);
});

describe("diffs", () => {
  const diff = `diff --git a/src/a.ts b/src/a.ts
--- a/src/a.ts
+++ b/src/a.ts
@@ -1,3 +1,3 @@
 same
--- old comment
+++ new comment
 same
diff --git a/secrets/old b/docs/new
rename from secrets/old
rename to docs/new
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-gone
\\ No newline at end of file
`;
  test("files under both of their names, and lines", () => {
    expect(readDiff(diff)).toEqual({ files: ["src/a.ts", "secrets/old", "docs/new", "gone.txt"], lines: 3 });
  });
  test.each([
    [{ maxFiles: 3 }, "the change touches 4 files, and at most 3 are allowed"],
    [{ maxLines: 2 }, "the change has 3 lines, and at most 2 are allowed"],
    [{ maxFiles: 4, maxLines: 3 }, null],
    [{ denyPathGlobs: ["secrets/*"] }, "`secrets/old` may not be changed"],
    [{ denyPathGlobs: ["src"] }, "`src/a.ts` may not be changed"],
    [{ denyPathGlobs: ["*.ts", "doc"] }, null],
  ] as const)("%j", (limits, refusal) => {
    expect(diffRefusal(readDiff(diff), { diff: limits })).toBe(refusal);
  });
});

test.each([
  ["none", "token=abcd1234 ada@example.com", "token=abcd1234 ada@example.com"],
  ["low", "token=abcd1234 ada@example.com", "token=[redacted] ada@example.com"],
  ["high", "Authorization: Bearer abc.def-ghi123, ada@example.com", "Authorization: [redacted], [redacted]"],
  ["standard", "card 4111 1111 1111 1111 of order 12345", "card [redacted] of order 12345"],
  ["full", "anything", "[redacted]"],
  ["top secret", "anything", "[redacted]"],
])("at the level %s", (redactionLevel, text, rest) => expect(redacted(text, { redactionLevel })).toBe(rest));
test("patterns of the policy", () => {
  expect(redacted("order A-17 and A-18", { redactPatterns: ["A-\\d+"] })).toBe("order [redacted] and [redacted]");
});
