import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { silentLog } from "../../telemetry/log.ts";
import { unsignedAllowed } from "./bundle-source.ts";
import { enforcePolicyFiles, readPolicyFiles } from "./policy-files.ts";
import type { Publisher } from "./publisher.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-policies-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

test("several files are merged into one snapshot, whichever folder they lie in", () => {
  const rules = write("rules.yaml", "rules: [{ id: r1, match: { topic: a }, decision: deny }]");
  const more = write("more.yaml", "rules: [{ id: r2, match: { topic: b }, decision: allow }]");
  const read = readPolicyFiles([rules, more]);
  expect(read.ok && read.value.snapshot.rules.map(({ bundle, id }) => `${bundle}/${id}`)).toEqual(["more/r2", "rules/r1"]);
});

test("two files of one name are refused: a bundle is known by its name", () => {
  mkdirSync(join(folder, "other"));
  const read = readPolicyFiles([write("same.yaml", "rules: []"), write("other/same.yaml", "rules: []")]);
  expect(read).toEqual({ ok: false, error: ["two policy files are called `same`"] });
});

test("problems name file, line and column, and a file that is not there is one", () => {
  const broken = write("broken.yaml", "rules:\n  - id: x\n    decision: maybe\n");
  const missing = join(folder, "missing.yaml");
  const read = readPolicyFiles([broken, missing]);
  expect(!read.ok && read.error).toEqual([expect.stringContaining(`${broken}:3:15: `), expect.stringContaining(`${missing}: ENOENT`)]);
});

test("what the server cannot enforce is refused", () => {
  const file = write("more-than-we-can.yaml", "rules: [{ id: r, match: { kinds: [schedule] }, decision: deny }]");
  expect(readPolicyFiles([file])).toEqual({
    ok: false,
    error: [`${file}:1:1: a rule for the kind \`schedule\` is not enforced by this server yet`],
  });
});

describe("files that are watched", () => {
  /** What was taken up, in order; the next one can be awaited. */
  async function watched(files: readonly string[]) {
    const taken: string[] = [];
    let told = () => {};
    const publisher: Pick<Publisher, "takeUp"> = {
      takeUp: async (sources) => {
        taken.push(sources.map(({ content }) => content).join("|"));
        told();
        return { ok: true, value: undefined };
      },
    };
    const enforced = await enforcePolicyFiles(files, { publisher, signing: unsignedAllowed, log: silentLog });
    const next = (change: () => void) =>
      new Promise<void>((resolve) => {
        told = resolve;
        change();
      });
    return { taken, next, stop: () => (enforced.ok ? enforced.value.stop() : expect.unreachable(enforced.error.join())) };
  }

  test("are taken up when they are written, replaced, or reached by another link", async () => {
    const home = join(folder, "mounted");
    for (const [version, content] of [
      ["v1", "order: 1"],
      ["v2", "order: 2"],
    ] as const) {
      mkdirSync(join(home, version), { recursive: true });
      writeFileSync(join(home, version, "orders.yaml"), content);
    }
    // As Kubernetes mounts a ConfigMap: the file is a link through `..data`, which an update swaps.
    symlinkSync("v1", join(home, "..data"));
    symlinkSync(join("..data", "orders.yaml"), join(home, "orders.yaml"));
    const plain = write("plain.yaml", "order: 3");
    const { taken, next, stop } = await watched([join(home, "orders.yaml"), plain]);
    await next(() => {
      symlinkSync("v2", join(home, "..data_tmp"));
      renameSync(join(home, "..data_tmp"), join(home, "..data"));
    });
    await next(() => writeFileSync(plain, "order: 4"));
    await next(() => {
      write("plain.yaml.new", "order: 5");
      renameSync(join(folder, "plain.yaml.new"), plain);
    });
    stop();
    expect(taken).toEqual(["order: 1|order: 3", "order: 2|order: 3", "order: 2|order: 4", "order: 2|order: 5"]);
  });

  test("that are broken are not taken up, and what is right again is", async () => {
    const file = write("watched.yaml", "order: 1");
    const { taken, next, stop } = await watched([file]);
    writeFileSync(file, "odrer: 2");
    await next(() => setTimeout(() => writeFileSync(file, "order: 3"), 250));
    stop();
    expect(taken).toEqual(["order: 1", "order: 3"]);
  });
});
