import { afterAll, beforeAll, expect, test } from "vitest";
import { defaultConfig, printable, resolveConfig } from "../../src/config/config.ts";
import { encode, make } from "../../src/protocol/codec.ts";
import { ListWorkflowExecutionsRequest } from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { startTestIssuer, type TestIssuer } from "../../src/service/access/issuer.test-kit.ts";
import { newKey } from "../../src/service/access/secret.ts";
import { admin, grpcCall, startTarget, type Target, workflowService } from "./attack-server.ts";

// A server that knows secrets, and is asked well and badly: none of them is in anything that it writes or answers.

const secrets = {
  bootstrapToken: "bootstrap-0123456789-0123456789-0123456789",
  webhookPath: "T00000000-webhook-path",
  signingKey: "signing-key-of-webhooks",
  endpointSecret: `whsec_${Buffer.from("secret-of-an-endpoint-0123456789").toString("base64")}`,
  endpointHeader: "Bearer header-of-an-endpoint",
  wrongKey: newKey().text,
  presented: "password-of-somebody",
} as const;

let target: Target;
let issuer: TestIssuer;
/** Secrets that there are only when the server runs. */
const made: string[] = [];
const answers: string[] = [];
beforeAll(async () => {
  issuer = await startTestIssuer();
  target = await startTarget({
    access: { bootstrapToken: secrets.bootstrapToken, issuers: [issuer.settings({ prefix: "corp/" })] },
    core: {
      notify: {
        channels: { ops: `http://127.0.0.1:9/${secrets.webhookPath}` },
        signingKey: secrets.signingKey,
        allowPrivate: false,
        timeout: 1_000,
        approvals: null,
      },
      push: {
        allowPrivate: true,
        endpoints: {
          pushed: {
            namespace: "default",
            taskQueues: "pushed",
            url: "http://127.0.0.1:9/pushed",
            secret: secrets.endpointSecret,
            headers: { authorization: secrets.endpointHeader },
            timeout: 1_000,
            maxConcurrent: 1,
            enabled: true,
          },
        },
      },
    },
  });
});
afterAll(async () => {
  await target.stop();
  await issuer.stop();
});

const ask = async (method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<number> => {
  const response = await fetch(`${target.url}${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  answers.push(JSON.stringify([...response.headers]), await response.text());
  return response.status;
};

test("what the server writes and answers has none of its secrets", async () => {
  const key = (await target.key(admin)).text;
  const token = await issuer.token(Date.now(), { roles: ["admin"], namespaces: ["*"] });
  const expired = await issuer.token(Date.now() - 3_600_000, { roles: ["admin"], namespaces: ["*"] });
  made.push(key, token, expired);
  const mine = { "x-api-key": key };

  // Well.
  for (const path of [
    "/api/v1/status",
    "/api/v1/doctor",
    "/api/v1/endpoints",
    "/api/v1/endpoints/pushed",
    "/api/v1/config/effective",
    "/metrics",
  ])
    expect(await ask("GET", path, mine)).toBeLessThan(500);
  expect(await ask("GET", "/api/v1/jobs", { authorization: `Bearer ${token}` })).toBe(200);
  expect(await ask("PUT", "/api/v1/policy/bundles/a", mine, { content: "rules: []" })).toBeLessThan(300);
  expect(await ask("POST", "/api/v1/policy/publish", mine, {})).toBeLessThan(300);
  await ask("POST", "/api/v1/endpoints/pushed/test", mine, {});
  await ask("POST", "/api/v1/jobs", mine, { topic: "pushed", payload: { a: 1 } });

  // Badly.
  const wrong = [
    { "x-api-key": secrets.wrongKey },
    { authorization: `Bearer ${secrets.wrongKey}` },
    { authorization: `Bearer ${expired}` },
    { authorization: `Bearer ${token}x` },
    { authorization: `Basic ${secrets.presented}` },
    { "x-api-key": secrets.presented },
  ];
  for (const headers of wrong) expect([401, 429]).toContain(await ask("GET", "/api/v1/jobs", headers as Record<string, string>));
  for (const tried of [secrets.presented, secrets.bootstrapToken])
    expect(await ask("POST", "/api/v1/auth/bootstrap", {}, { token: tried, name: "mallory" })).toBeGreaterThanOrEqual(400);
  const list = encode(ListWorkflowExecutionsRequest, make(ListWorkflowExecutionsRequest, { namespace: "default" }));
  for (const value of [secrets.wrongKey, expired, `${token}x`, secrets.presented]) {
    const ended = await grpcCall(target.grpcPort, `${workflowService}/ListWorkflowExecutions`, list, { authorization: `Bearer ${value}` });
    answers.push(ended.message);
  }
  await ask("POST", "/api/v1/jobs", mine, { topic: 1, authorization: secrets.presented });

  // The push fails, and says so.
  await expect.poll(() => target.log().length).toBeGreaterThan(0);
  await ask("GET", "/api/v1/audit/export", mine);
  await ask("GET", "/api/v1/audit/export", { ...mine, "x-tenant-id": "system" });
  const everything = [target.log(), target.metrics(), ...answers].join("\n");
  expect(everything).toContain("credentials were refused");
  for (const secret of [...Object.values(secrets), ...made]) {
    expect(everything).not.toContain(secret);
    // Nor its telling part.
    expect(everything).not.toContain(secret.slice(-30));
  }
});

test.each([
  [{ auth: { bootstrapToken: "too-short-secret" } }, "too-short-secret"],
  [{ auth: { bootstrapToken: [secrets.bootstrapToken] } }, secrets.bootstrapToken],
  [{ notify: { signingKey: [secrets.signingKey] } }, secrets.signingKey],
  [{ notify: { channels: { ops: `ftp://${secrets.webhookPath}` } } }, secrets.webhookPath],
  [{ encryption: { key: [secrets.presented] } }, secrets.presented],
  [{ push: { endpoints: { a: { taskQueues: "a", url: "http://a", secret: [secrets.endpointSecret] } } } }, secrets.endpointSecret],
  [
    { push: { endpoints: { a: { taskQueues: "a", url: "http://a", secret: "s", headers: { b: [secrets.endpointHeader] } } } } },
    secrets.endpointHeader,
  ],
] as const)("a configuration that is wrong is not quoted where it is secret: %#", (values, secret) => {
  const resolved = resolveConfig([{ values, nameOf: (path) => path.join(".") }]);
  expect(resolved.ok).toBe(false);
  expect(JSON.stringify(resolved)).not.toContain(secret);
});

test("the configuration that is printed at the start has no secret", () => {
  const printed = printable({
    ...defaultConfig,
    auth: { ...defaultConfig.auth, bootstrapToken: secrets.bootstrapToken },
    notify: { ...defaultConfig.notify, channels: { ops: `https://hooks.example/${secrets.webhookPath}` }, signingKey: secrets.signingKey },
    encryption: { ...defaultConfig.encryption, key: secrets.presented },
    push: {
      allowPrivate: false,
      endpoints: {
        a: {
          namespace: "default",
          taskQueues: "a",
          url: `https://a.example/${secrets.webhookPath}`,
          secret: secrets.endpointSecret,
          headers: { authorization: secrets.endpointHeader },
          timeout: 1_000,
          maxConcurrent: 1,
          enabled: true,
        },
      },
    },
  });
  for (const secret of Object.values(secrets)) expect(printed).not.toContain(secret);
});
