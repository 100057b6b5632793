import { afterEach, expect, test } from "vitest";
import { noQuotas, type QuotaLimits } from "../../access/quota.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

let api: TestApi;
afterEach(() => api.close());

const open = async (limits: Partial<QuotaLimits>): Promise<void> => {
  api = await openApi(undefined, { quotas: { ...noQuotas, namespaces: { default: limits } } });
};
const topic = "job.charge";

test("a tenant sees what it has taken, and how much it may take", async () => {
  await open({ openRuns: 2 });
  await api.ask("POST", "/api/v1/jobs", { body: { topic, prompt: "charge" } });
  const { json } = await api.ask("GET", "/api/v1/quotas");
  expect(json.items).toContainEqual({ quota: "open-runs", used: 1, limit: 2 });
  expect(json.items).toContainEqual({ quota: "requests", used: null, limit: null });
});

test("what finds no room is refused with which quota it is, and when to try again", async () => {
  await open({ openRuns: 1 });
  await api.ask("POST", "/api/v1/jobs", { body: { topic, prompt: "charge" } });
  const { status, json } = await api.ask("POST", "/api/v1/jobs", { body: { topic, prompt: "charge" } });
  expect({ status, json }).toMatchObject({ status: 429, json: { code: "quota-exceeded", detail: expect.stringContaining("open-runs") } });
});

test("so are requests beyond the rate, in this tenant alone", async () => {
  await open({ requestsPerSecond: 1, requestBurst: 1 });
  expect(await api.ask("GET", "/api/v1/jobs")).toMatchObject({ status: 200 });
  expect(await api.ask("GET", "/api/v1/jobs")).toMatchObject({ status: 429, json: { code: "quota-exceeded" } });
  expect(await api.ask("GET", "/api/v1/jobs", { headers: { "x-tenant-id": "other" } })).toMatchObject({ status: 200 });
});
