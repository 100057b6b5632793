import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { RunningServer } from "../../src/cli/serve.ts";
import { signBundle } from "../../src/governance/policy/signature.ts";
import { Holdfast, type StartOptions } from "../../src/main.ts";
import { setup } from "./kit.ts";
import { type Activities, tryActivity } from "./workflows/governance.ts";

// Policies that are published over HTTP, while a worker of the published SDK is at work.

const folder = mkdtempSync(join(tmpdir(), "holdfast-publication-"));
afterAll(() => rmSync(folder, { recursive: true }));
const checkpointKey = join(folder, "checkpoints.key");
writeFileSync(checkpointKey, generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }));
const signer = generateKeyPairSync("ed25519");

const options: StartOptions = {
  db: join(folder, "holdfast.db"),
  port: 0,
  httpPort: 0,
  log: { level: "silent" },
  policyKeys: [signer.publicKey.export({ format: "pem", type: "spki" }).toString()],
  requirePolicySignature: true,
  checkpoints: { key: checkpointKey },
};
let running: Holdfast;
async function launch(): Promise<RunningServer> {
  running = await Holdfast.start(options);
  const { address, httpAddress } = running;
  return { address, httpAddress, drain: () => running.drain(), stop: () => running.stop() };
}
async function restart(): Promise<void> {
  const port = Number(running.address.split(":").at(-1));
  await running.stop();
  running = await Holdfast.start({ ...options, port });
}

const activities: Partial<Activities> = { greet: async (name) => `hello ${name}` };
const compat = setup({ workflows: "governance", activities, launch });
const greeting = async () => (await compat.start(tryActivity, { args: ["greet", ["Ada"]] })).result();

/** Parts of the answers that a test goes on with. */
type Json = {
  readonly snapshot_after?: string;
  readonly items?: readonly object[];
  readonly checkpoint?: { readonly number: number };
};
async function api(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly json: Json }> {
  const response = await fetch(`http://${running.httpAddress}/api/v1${path}`, {
    method,
    headers: { "x-principal-id": "ada", ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Json };
}
const sign = (content: string) => signBundle(Buffer.from(content), signer.privateKey);
const put = (content: string, signature = sign(content)) => api("PUT", "/policy/bundles/greetings", { content, signature });
const publish = () => api("POST", "/policy/publish", {});

const denying = `default_decision: allow
rules: [{ id: silence, match: { topic: activity.greet }, decision: deny }]
`;
const silence = { type: "PolicyDenied", details: { rule: "silence" } };

test("what is published decides the worker's next activity, survives a restart, and is rolled back", async () => {
  expect(await greeting()).toBe("hello Ada");
  expect((await put("default_decision: allow")).status).toBe(200);
  const allowing = (await publish()).json.snapshot_after;
  expect(await greeting()).toBe("hello Ada");

  expect((await put(denying)).status).toBe(200);
  expect(await greeting()).toBe("hello Ada");
  expect((await publish()).status).toBe(200);
  expect(await greeting()).toMatchObject(silence);

  await restart();
  expect(await greeting()).toMatchObject(silence);

  expect((await put(denying, "AAAA")).json).toMatchObject({ code: "broken-policy", errors: [{ bundle: "greetings" }] });
  expect((await put("rules: [{ id: x, decison: allow }]")).json).toMatchObject({
    code: "broken-policy",
    errors: [{ line: 1, column: 18 }],
  });
  expect((await publish()).json).toMatchObject({ publication: null });
  expect(await greeting()).toMatchObject(silence);

  expect((await api("POST", "/policy/rollback", { snapshot_id: allowing })).status).toBe(200);
  expect(await greeting()).toBe("hello Ada");

  const history = await api("GET", "/policy/snapshots");
  expect(history.json.items).toMatchObject([{ cause: "rollback" }, { cause: "api" }, { cause: "api" }]);
});

test("a candidate that looks into the input is tried on what is still in the history", async () => {
  const content = `default_decision: allow
rules: [{ id: not-ada, match: { topic: activity.greet }, when: input == "Ada", decision: deny }]
`;
  const { json } = await api("POST", "/policy/backtest", { content });
  // Three times it was allowed; that it was denied by another rule is no change for the worker.
  const group = { from: { effect: "ALLOW", rule: null }, to: { effect: "DENY", rule: "not-ada" }, count: 3 };
  expect(json).toMatchObject({ changed: 3, unknown: 0, groups: [group] });
});

test("each orderly stop seals the ledger", async () => {
  const first = (await api("POST", "/audit/checkpoint")).json.checkpoint?.number ?? 0;
  await greeting();
  await restart();
  expect((await api("POST", "/audit/checkpoint")).json).toMatchObject({ checkpoint: { number: first + 1 } });
});
