import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AccessPrincipal } from "../../access/principal.ts";
import { err, ok } from "../../base/result.ts";
import { hourMs, secondMs } from "../../base/time.ts";
import { silentLog } from "../../telemetry/log.ts";
import { everywhere, given, manager, openServers, type TestServer, type TestServers, wanted } from "./access.test-kit.ts";
import { type Authenticator, createAuthenticator } from "./authenticator.ts";
import type { Manager } from "./keys.ts";
import { createLockout, freeFailures } from "./lockout.ts";
import * as secret from "./secret.ts";
import type { Session } from "./session.ts";
import type { TokenVerifier } from "./token-verifier.ts";

type Certificate = { readonly fingerprint: string };

let servers: TestServers;
let server: TestServer;
let root: Manager;
let counted: string[];
let written: string[][];
const opened: Authenticator<Certificate>[] = [];
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  servers = await openServers();
  server = await servers.start();
  root = manager(server, everywhere("admin"));
  counted = [];
  written = [];
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const of = (kind: AccessPrincipal["credential"]["kind"], id: string, expiresAt: number | null = null): AccessPrincipal => ({
  id,
  kind: "service",
  grants: [{ namespaces: ["orders"], roles: ["worker"] }],
  taskQueues: null,
  credential: { kind, id },
  expiresAt,
});

function open({
  at = server,
  required = true,
  verifyToken = null,
}: {
  readonly at?: TestServer;
  readonly required?: boolean;
  readonly verifyToken?: TokenVerifier["verify"] | null;
} = {}) {
  const authenticator = createAuthenticator<Certificate>({
    directory: at.directory,
    clock: servers.clock,
    log: silentLog,
    required,
    lockout: createLockout({ now: servers.clock.now }),
    verifyToken,
    principalOfCertificate: ({ fingerprint }) =>
      fingerprint === "known" ? of("certificate", fingerprint, servers.clock.now() + hourMs) : null,
    used: async (ids) => void written.push([...ids]),
    count: (credential, outcome) => void counted.push(`${credential} ${outcome}`),
  });
  opened.push(authenticator);
  return {
    ask: (credentials: { apiKey?: string; authorization?: string; certificate?: Certificate; address?: string }) =>
      authenticator.authenticate({
        apiKey: "",
        authorization: "",
        address: "10.0.0.1",
        ...credentials,
        certificate: () => credentials.certificate ?? null,
      }),
  };
}
const create = async (change: Parameters<typeof wanted>[0] = {}) => given(await server.keys.create(root, wanted(change)));
const refused = (kind: string) => ({ ok: false, error: { kind } });

describe("a key", () => {
  test("proves who somebody is, in a header of its own or as a bearer, at once", async () => {
    const { key, text } = await create({ taskQueues: ["a-*"] });
    const { ask } = open();
    const session = given(ask({ apiKey: text }) as ReturnType<typeof ok<Session>>);
    expect(session.principal).toMatchObject({ id: "ci", credential: { kind: "api-key", id: key.id }, taskQueues: ["a-*"] });
    expect(session.authority.allows("tasks.work", "orders")).toBe(true);
    for (const credentials of [{ authorization: `Bearer ${text}` }, { authorization: `bearer  ${text} ` }, { apiKey: ` "${text}" ` }])
      expect(ask(credentials)).toEqual(ok(session));
    expect(new Set(counted)).toEqual(new Set(["api-key accepted"]));
  });

  test.each<[string, (text: string) => { readonly apiKey?: string; readonly authorization?: string }, string]>([
    ["nothing", () => ({}), "no-credentials"],
    ["another secret", (text) => ({ apiKey: `${text.slice(0, 21)}${"x".repeat(43)}` }), "bad-credentials"],
    ["another id", (text) => ({ apiKey: `hfk_${"0".repeat(16)}${text.slice(20)}` }), "bad-credentials"],
    ["half of it", (text) => ({ apiKey: text.slice(0, -1) }), "bad-credentials"],
    ["more than it", (text) => ({ apiKey: `${text}x` }), "bad-credentials"],
    ["its id", (text) => ({ apiKey: text.slice(4, 20) }), "bad-credentials"],
    ["another scheme", (text) => ({ authorization: `Basic ${text}` }), "bad-credentials"],
    ["a token, where there are none", () => ({ authorization: "Bearer e.y.J" }), "bad-credentials"],
    // What is presented counts, not what else there is.
    ["a wrong key and a right bearer", (text) => ({ apiKey: "hfk_x", authorization: `Bearer ${text}` }), "bad-credentials"],
  ])("%s is refused", async (_, credentials, kind) => {
    const { text } = await create();
    expect(open().ask(credentials(text))).toEqual(refused(kind));
  });

  test("that there is not is compared like one that there is", async () => {
    const { text } = await create();
    const compared = vi.spyOn(secret, "sameHash");
    const { ask } = open();
    for (const apiKey of [`hfk_${"0".repeat(16)}${text.slice(20)}`, "nonsense"]) ask({ apiKey });
    expect(compared).toHaveBeenCalledTimes(2);
    for (const [presented, known] of compared.mock.calls) expect([presented.length, known.length]).toEqual([32, 32]);
  });

  test("is locked out alone: others at the same address are not", async () => {
    const { key, text } = await create();
    const { text: other } = await create();
    const { ask } = open();
    for (let guess = 0; guess < freeFailures; guess++) ask({ apiKey: `hfk_${key.id}_${"x".repeat(43)}` });
    expect(ask({ apiKey: text })).toEqual({ ok: false, error: { kind: "locked-out", retryAfter: secondMs } });
    expect(ask({ apiKey: text, address: "10.0.0.2" })).toMatchObject({ ok: true });
    expect(ask({ apiKey: other })).toMatchObject({ ok: true });
  });
});

describe("what a session stands on", () => {
  const every = (ms: number) => vi.advanceTimersByTimeAsync(ms);

  test("a revoked key ends it at once, and opens no other", async () => {
    const { key, text } = await create();
    const { ask } = open();
    const session = given(await ask({ apiKey: text }));
    let ended = 0;
    session.onEnd(() => void ended++);
    given(await server.keys.revoke(root, key.id));
    expect([session.ended, ended]).toEqual([true, 1]);
    expect(ask({ apiKey: text })).toEqual(refused("bad-credentials"));
    session.onEnd(() => void ended++);
    expect(ended).toBe(2);
  });

  test("a key that another server has revoked ends it within a second", async () => {
    const { key, text } = await create();
    const there = await servers.start();
    const session = given(await open({ at: there }).ask({ apiKey: text }));
    given(await server.keys.revoke(root, key.id));
    expect(session.ended).toBe(false);
    const end = new Promise<void>((resolve) => session.onEnd(resolve));
    await every(secondMs);
    await end;
    expect(session.ended).toBe(true);
  });

  test("the time of a key ends it", async () => {
    const { text } = await create({ expiresAt: servers.clock.now() + hourMs });
    const { ask } = open();
    const session = given(await ask({ apiKey: text }));
    servers.clock.jump(hourMs);
    expect(ask({ apiKey: text })).toEqual(refused("bad-credentials"));
    await every(secondMs);
    expect(session.ended).toBe(true);
  });

  test("a role that changes is another right at the next call", async () => {
    given(await server.keys.saveRole(root, { name: "seer", permissions: ["jobs.read"] }));
    const { text } = await create({ grants: everywhere("seer") });
    const session = given(await open().ask({ apiKey: text }));
    expect(session.authority.allows("jobs.read", "a")).toBe(true);
    given(await server.keys.saveRole(root, { name: "seer", permissions: ["policy.read"] }));
    expect([session.authority.allows("jobs.read", "a"), session.authority.allows("policy.read", "a")]).toEqual([false, true]);
    given(await server.keys.deleteRole(root, "seer"));
    expect(session.authority.allows("policy.read", "a")).toBe(false);
    expect(session.ended).toBe(false);
  });

  test("a key in the place of another works beside it until the old one ends", async () => {
    const { key, text } = await create();
    const { ask } = open();
    const { text: next } = given(await server.keys.rotate(root, key.id, hourMs));
    const [old, young] = [given(await ask({ apiKey: text })), given(await ask({ apiKey: next }))];
    servers.clock.jump(hourMs);
    await every(secondMs);
    expect([old.ended, young.ended]).toEqual([true, false]);
  });
});

test("when keys were used is written once a minute, and when the server stops", async () => {
  const { key, text } = await create();
  const { ask } = open();
  for (let call = 0; call < 3; call++) ask({ apiKey: text });
  await vi.advanceTimersByTimeAsync(60 * secondMs);
  expect(written).toEqual([[key.id]]);
  await vi.advanceTimersByTimeAsync(60 * secondMs);
  expect(written).toHaveLength(1);
  ask({ apiKey: text });
  await opened[0]?.stop();
  expect(written).toHaveLength(2);
});

describe("a token", () => {
  test("is verified once, also by those who present it at the same time", async () => {
    const verifyToken = vi.fn(async () => ok(of("jwt", "issuer sub", servers.clock.now() + hourMs)));
    const { ask } = open({ verifyToken });
    const sessions = await Promise.all([ask({ authorization: "Bearer a.b.c" }), ask({ authorization: "Bearer a.b.c" })]);
    expect(sessions[0]).toEqual(sessions[1]);
    expect(await ask({ authorization: "Bearer a.b.c" })).toEqual(sessions[0]);
    expect(verifyToken).toHaveBeenCalledTimes(1);
    servers.clock.jump(hourMs);
    const again = given(await ask({ authorization: "Bearer a.b.c" }));
    expect(verifyToken).toHaveBeenCalledTimes(2);
    expect(again).not.toBe(given(sessions[0] ?? err("none")));
    expect(given(sessions[0] ?? err("none")).ended).toBe(true);
  });

  test("that nobody can vouch for right now is not held against whoever has it", async () => {
    const { ask } = open({ verifyToken: async () => err("unavailable") });
    for (let call = 0; call < 2 * freeFailures; call++)
      expect(await ask({ authorization: "Bearer a.b.c" })).toEqual(refused("unavailable"));
  });

  test.each([
    ["bad-signature", "locked-out"],
    ["expired", "bad-credentials"],
  ] as const)("that is refused for %s: %s after a few", async (reason, kind) => {
    const { ask } = open({ verifyToken: async () => err(reason) });
    for (let call = 0; call < freeFailures; call++) await ask({ authorization: `Bearer a.b.${call}` });
    expect(await ask({ authorization: "Bearer a.b.x" })).toMatchObject(refused(kind));
  });
});

test("a certificate counts where nothing else is presented, and only if somebody has it", async () => {
  const { text } = await create();
  const { ask } = open();
  const certificate = { fingerprint: "known" };
  expect(given(await ask({ certificate })).principal?.credential).toEqual({ kind: "certificate", id: "known" });
  expect(given(await ask({ certificate, apiKey: text })).principal?.id).toBe("ci");
  expect(ask({ certificate: { fingerprint: "unknown" } })).toEqual(refused("bad-credentials"));
});

test("where nobody has to say who they are, a credential counts when it is right", async () => {
  const { text } = await create();
  const { ask } = open({ required: false });
  expect(given(await ask({})).principal).toBeNull();
  expect(given(await ask({ apiKey: text })).principal?.id).toBe("ci");
  for (let call = 0; call <= freeFailures; call++) expect(given(await ask({ apiKey: "hfk_wrong" })).principal).toBeNull();
});
