import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openApi } from "../edge/rest/rest.test-kit.ts";
import { signBundle } from "../governance/policy/signature.ts";
import { runCli } from "./cli.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-policy-"));
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const testdata = (name: string): string => fileURLToPath(new URL(`../governance/policy/testdata/${name}`, import.meta.url));

async function run(...args: readonly string[]): Promise<{ readonly exitCode: number; readonly out: string; readonly err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await runCli(["policy", ...args], {
    environment: {},
    print: (text) => out.push(text),
    printBytes: (bytes) => out.push(Buffer.from(bytes).toString()),
    complain: (text) => err.push(text),
    serve: () => Promise.reject(new Error("no policy command starts a server")),
  });
  return { exitCode, out: out.join("\n"), err: err.join("\n").replaceAll(folder, "") };
}

const orders = testdata("order-fulfillment.yaml");
const broken = file("broken.yaml", "rules:\n- id: a\n  decison: deny\n");
const refund = file("refund.yaml", "{activity_type: RefundCard, task_queue: payments, input: {amount: 2000}}");

describe("check", () => {
  test("says what a policy holds", async () => {
    const { exitCode, out, err } = await run("check", testdata("deploy.yaml"));
    expect([exitCode, err]).toEqual([0, ""]);
    expect(out).toMatch(/^FILE +MODE +RULES +ACTIONS +LIMITS +TESTS\n.*deploy\.yaml +enforce +3 +0 +0 +0\nsnapshot [0-9a-f]{64}$/);
  });

  test("says where it is wrong", async () => {
    const { exitCode, err } = await run("check", orders, broken);
    expect(exitCode).toBe(1);
    expect(err).toBe("/broken.yaml:3:3: error: rules[0].decison: unknown key `decison`, did you mean `decision`?");
  });

  test("as JSON", async () => {
    const { exitCode, out } = await run("check", "--json", broken);
    expect(exitCode).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      snapshot: null,
      problems: [{ severity: "error", line: 3, column: 3, path: "rules[0].decison" }],
    });
  });

  test("signatures", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const key = file("key.pem", publicKey.export({ format: "pem", type: "spki" }).toString());
    const signed = file("signed.yaml", "rules: [{id: a, decision: deny}]");
    expect(await run("check", signed, "--public-key", key)).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("there is no /signed.yaml.sig"),
    });
    file("signed.yaml.sig", signBundle(readFileSync(signed), privateKey));
    expect(await run("check", "--public-key", key, signed)).toMatchObject({ exitCode: 0, err: "" });
    file("signed.yaml", "rules: [{id: a, decision: allow}]");
    expect(await run("check", signed, "--public-key", key)).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("changed after it was signed"),
    });
  });
});

test("what a policy says cannot steer the terminal", async () => {
  const written = file("hostile.yaml", String.raw`rules: [{ id: "a\e[2J", decision: deny, reason: "\e]0;b\x07\u202e", "\e[31m": 1 }]`);
  expect((await run("check", written)).err).toContain("unknown key `\ufffd[31m`");
  const valid = file("steering.yaml", String.raw`rules: [{ id: "a\e[2J", decision: deny, reason: "\e]0;b\x07\u202e" }]`);
  const action = file("any.yaml", "topic: any");
  const { out } = await run("explain", "--policy", valid, "--action", action);
  expect(out).toContain("DENY by rule `a\ufffd[2J` of steering: \ufffd]0;b\ufffd\ufffd");
});

test("sign writes a signature that verify, and nobody else's key, accepts", async () => {
  const pem = (type: "private" | "public") => {
    const key =
      type === "private" ? privateKey.export({ format: "pem", type: "pkcs8" }) : publicKey.export({ format: "pem", type: "spki" });
    return file(`${type}.pem`, key.toString());
  };
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const policy = file("to-sign.yaml", "rules: [{id: a, decision: deny}]");
  expect(await run("verify", policy, "--public-key", pem("public"))).toMatchObject({
    exitCode: 1,
    err: "/to-sign.yaml:1:1: error: there is no /to-sign.yaml.sig",
  });
  expect(await run("sign", policy, "--key", pem("private"))).toMatchObject({ exitCode: 0, err: "" });
  expect(await run("verify", "--public-key", pem("public"), policy)).toMatchObject({ exitCode: 0, out: "1 signed" });
  const other = file("other.pem", generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" }).toString());
  expect(await run("verify", "--public-key", other, "--public-key", pem("public"), policy)).toMatchObject({ exitCode: 0, out: "1 signed" });
  expect(await run("verify", policy, "--public-key", other)).toMatchObject({ exitCode: 1, err: expect.stringContaining("by none") });
  expect(await run("sign", broken, "--key", pem("private"))).toMatchObject({ exitCode: 1, err: expect.stringContaining("decison") });
  expect(await run("sign", policy, "--key", pem("public"))).toMatchObject({ exitCode: 2 });
});

describe("test", () => {
  test("passes, with the cases that stand beside the policy", async () => {
    const { exitCode, out } = await run("test", testdata("deploy.yaml"));
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^ok +DENY +deny-destructive-shell +destructive shell$/m);
    expect(out).toContain("4 passed, 0 failed");
  });

  test("fails, and says what was decided instead", async () => {
    const wrong = file(
      "wrong.yaml",
      "rules: [{id: a, decision: deny}]\ntests: [{name: passes, action: {topic: x}, expect: {decision: allow, rule: b}}]",
    );
    const { exitCode, out, err } = await run("test", wrong);
    expect(exitCode).toBe(1);
    expect(out).toContain("0 passed, 1 failed");
    expect(err).toBe(
      "/wrong.yaml:2: passes: expected decision ALLOW, got DENY; expected rule b, got a; it says: denied by rule `a`".replace(
        ":2:9:",
        ":2:",
      ),
    );
    expect(JSON.parse((await run("test", wrong, "--json")).out)).toMatchObject({ ok: false, tests: [{ ok: false, line: 2, rule: "a" }] });
  });

  test("a policy passes wherever it lies: canaries do not depend on the folder", async () => {
    expect(await run("test", orders)).toMatchObject({ exitCode: 0 });
    expect(await run("test", file("order-fulfillment.yaml", readFileSync(orders, "utf8")))).toMatchObject({ exitCode: 0 });
  });

  test("a policy without tests has not passed them", async () => {
    expect(await run("test", file("untested.yaml", "rules: []"))).toMatchObject({ exitCode: 1, out: "no tests" });
  });
});

test("explain shows the rules tried", async () => {
  const { exitCode, out } = await run("explain", "--policy", orders, "--action", refund);
  expect(exitCode).toBe(0);
  expect(out).toMatch(/not-matched +DENY +sanctioned +order-fulfillment:\d+ +topics: wanted shipping\.parcel, found payment\.card/);
  expect(out).toMatch(/decided +REQUIRE_APPROVAL +large-refund/);
  expect(out).toMatch(/not-reached +ALLOW_WITH_CONSTRAINTS +charge-limits/);
  expect(out).toContain("refunds above 1000 need a person");
  const json: unknown = JSON.parse((await run("explain", "--policy", orders, "--action", refund, "--json")).out);
  expect(json).toMatchObject({
    decision: "REQUIRE_APPROVAL",
    rule: "large-refund",
    job_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    action: { topic: "payment.card", labels: { team: "billing", review: "needed" }, risk_tags: ["money", "large"] },
  });
});

test("simulate sets a candidate beside the current policy", async () => {
  const candidate = file("candidate.yaml", "default_decision: deny");
  const { exitCode, out } = await run("simulate", "--policy", orders, "--candidate", candidate, "--action", refund);
  expect(exitCode).toBe(0);
  expect(out).toContain("current    REQUIRE_APPROVAL by rule `large-refund`");
  expect(out).toContain("candidate  DENY by default: no rule matched, and the default is to deny");
  expect(out).toContain("the action would notice");
});

test("diff shows what decides differently", async () => {
  const before = file("before.yaml", "rules: [{id: a, decision: deny}, {id: b, decision: deny}]");
  const after = file("after.yaml", "# moved\nrules: [{id: b, decision: allow}, {id: a, decision: deny}]");
  const { exitCode, out } = await run("diff", before, after);
  expect(exitCode).toBe(0);
  expect(out).toContain('changed  rule `b`  effect: "DENY" → "ALLOW"');
  expect(await run("diff", before, before)).toMatchObject({ exitCode: 0, out: "no difference" });
});

test.each([
  [["check", "/no/such.yaml"], 2, "holdfast: cannot read /no/such.yaml"],
  [["check", orders, file("order-fulfillment.yml", "rules: []")], 2, "two files are called `order-fulfillment`"],
  [["check"], 2, "missing required argument 'file'"],
  [["explain", "--policy", orders], 2, "required option '--action <file>' not specified"],
  [
    ["explain", "--policy", orders, "--action", file("bad.yaml", "{topci: x}")],
    2,
    "/bad.yaml:1:2: error: topci: unknown key `topci`, did you mean `topic`?",
  ],
  [["explain", "--policy", broken, "--action", refund], 1, "unknown key `decison`"],
  [["chekc"], 2, "unknown command 'chekc'"],
] as const)("%j is exit code %d", async (args, exitCode, complaint) => {
  const { err, ...outcome } = await run(...args);
  expect(outcome.exitCode).toBe(exitCode);
  expect(err).toContain(complaint);
});

test("backtest asks a server what a candidate would have decided", async () => {
  const api = await openApi();
  const policy = "default_decision: allow\nrules: [{ id: ask, match: { topic: activity.Refund }, decision: require_approval }]";
  await api.ask("PUT", "/api/v1/policy/bundles/main", { as: "ada", body: { content: policy } });
  await api.ask("POST", "/api/v1/policy/publish", { as: "ada", body: {} });
  await api.hold();
  const candidate = file(
    "candidate.yaml",
    "default_decision: allow\nrules: [{ id: no, match: { topic: activity.Refund }, decision: deny }]",
  );
  const { exitCode, out } = await run("backtest", candidate, "--address", api.url, "--since", "2026-01-01T00:00:00Z");
  expect(exitCode).toBe(0);
  expect(out).toMatch(/^COUNT +THEN +CANDIDATE\n1 +REQUIRE_APPROVAL main\/ask +DENY candidate\/no\n/);
  expect(out).toMatch(/2026-01-01T00:00:00\.000Z +order-1 +1 +Refund +REQUIRE_APPROVAL main\/ask +DENY candidate\/no/);
  expect(out).toMatch(/decisions: \d unchanged, 1 changed, 0 unknown$/);
  const asJson = await run("backtest", candidate, "--address", api.url, "--since", "2026-01-01T00:00:00Z", "--json");
  expect(JSON.parse(asJson.out)).toMatchObject({ changed: 1 });
  expect(await run("backtest", broken, "--address", api.url)).toMatchObject({ exitCode: 1, err: expect.stringContaining("decison") });
  await api.close();
});
