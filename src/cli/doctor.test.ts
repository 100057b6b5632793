import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { secondMs } from "../base/time.ts";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { run } from "./cli.test-kit.ts";

// What an operator sees at night.

const policy = `
version: v1
default_decision: allow
rules:
  - { id: refunds, match: { names: [Refund] }, decision: require_approval, reason: money leaves, approval: { roles: [finance] } }
`;
let api: TestApi;
beforeAll(async () => {
  api = await openApi(policy);
});
afterAll(() => api.close());
const doctor = (...args: string[]) => run(["doctor", "--address", api.url, ...args]);

describe("holdfast doctor", () => {
  test("a server without troubles: exit code 0", async () => {
    const { exitCode, printed } = await doctor();
    expect(exitCode).toBe(0);
    expect(printed).toMatch(/^nothing is stuck\n\nstarted: 2026-01-01T00:00:00.000Z \(0ms ago\)\ndatabase: /);
    expect(printed).toContain("\nopen runs: 0 in default, 0 in other\n");
  });

  test("a held approval: exit code 1, and the three questions answered", async () => {
    const id = await api.hold({ workflowId: "order-1" });
    api.core.clock.jump(90 * secondMs);
    const { exitCode, printed } = await doctor();
    expect(exitCode).toBe(1);
    const finding = printed.split("\n\n")[1]?.split("\n");
    expect(finding?.map((line) => line.slice(0, 50).trimEnd())).toEqual([
      "1. warning: 1 action waits for approval, the oldes",
      "   namespace default",
      "   since     2026-01-01T00:00:00.000Z (1m 30s)",
      "   why       rule `refunds` asks for it (money lea",
      "   executed  nothing of these actions: they begin",
      `   safe      decide: \`holdfast approval show ${id}`.slice(0, 50),
      expect.stringMatching(/^ {3}runs {6}order-1 \(run /),
    ]);
  });

  test("for programs", async () => {
    const { exitCode, printed } = await doctor("--json");
    expect(exitCode).toBe(1);
    expect(JSON.parse(printed)).toMatchObject({
      healthy: false,
      findings: [{ kind: "approval-pending", count: 1 }],
      status: {
        policy: { publication: 0 },
        namespaces: [
          { name: "default", open_runs: 1 },
          { name: "other", open_runs: 0 },
        ],
      },
    });
  });

  test("no server there: exit code 2", async () => {
    const { exitCode, printed, complaints } = await run(["doctor", "--address", "127.0.0.1:1"]);
    expect({ exitCode, printed }).toEqual({ exitCode: 2, printed: "" });
    expect(complaints).toMatch(/^holdfast: no server answers at 127.0.0.1:1/);
  });
});
