import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { answerJson, openEndpoint } from "../service/push/push.test-kit.ts";
import { type Outcome, run } from "./cli.test-kit.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-endpoint-"));
let api: TestApi;
let endpoint: Awaited<ReturnType<typeof openEndpoint>>;
let status = 200;
beforeEach(async () => {
  api = await openApi(undefined, { push: { allowPrivate: true, endpoints: {} } });
  endpoint = await openEndpoint((push) => answerJson(push, status, {}));
});
afterEach(async () => {
  await api.close();
  await endpoint.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

const holdfast = (...args: readonly string[]): Promise<Outcome> => run(["endpoint", ...args, "--address", new URL(api.url).host]);

test("an endpoint is registered, tested, changed, listed and deleted", async () => {
  const token = join(folder, "token");
  writeFileSync(token, "Bearer s3cret\n");
  const put = await holdfast(
    "put",
    "e",
    "--task-queues",
    "job.a.*",
    "--url",
    endpoint.url,
    "--header",
    `authorization=@${token}`,
    "--as",
    "ann",
  );
  expect(put.printed).toMatch(/Secret +whsec_[\w+/=]+\nKeep it: nobody is told it again\.$/);
  expect(put.printed).toMatch(/Headers +authorization\n/);
  expect(await holdfast("test", "e")).toMatchObject({ exitCode: 0, printed: expect.stringMatching(/^answered 200 \(\d+ ms\)$/) });
  expect(endpoint.received[0]?.headers.authorization).toBe("Bearer s3cret");
  status = 500;
  expect(await holdfast("test", "e")).toMatchObject({ exitCode: 1, printed: expect.stringContaining("`127.0.0.1` answered 500") });
  const changed = await holdfast("put", "e", "--disable", "--timeout", "5s", "--max-concurrent", "2");
  expect(changed.printed).not.toContain("whsec_");
  const [header = "", row = ""] = (await holdfast("list")).printed.split("\n");
  expect(header).toMatch(/^ID +TASK QUEUES +URL +AT ONCE +TIMEOUT +ENABLED +FROM$/);
  expect(row).toMatch(/^e +job\.a\.\* +http:\S+ +2 +5000 ms +no +api$/);
  expect(JSON.parse((await holdfast("show", "e", "--json")).printed)).toMatchObject({ id: "e", enabled: false });
  expect((await holdfast("put", "e", "--rotate-secret")).printed).toMatch(/Old secret +signs as well until/);
  expect((await holdfast("delete", "e")).printed).toBe("e");
  expect((await holdfast("list")).printed).toBe("there are no endpoints");
});

test.each([
  [["show", "none"], 1, /endpoint not found \(no-such-endpoint\)/],
  [["put", "e"], 1, /a new endpoint needs `task_queues` and `url`/],
  [["put", "e", "--enable", "--disable"], 2, /say --enable or --disable/],
  [["put", "e", "--header", "x"], 2, /expected name=value/],
  [["put", "e", "--timeout", "soon"], 2, /expected a duration/],
] as const)("%j is refused", async (args, exitCode, complaint) => {
  expect(await holdfast(...args)).toMatchObject({ exitCode, complaints: expect.stringMatching(complaint) });
});
