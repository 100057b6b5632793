import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveAgents } from "../../examples/agent-patterns/agents.ts";
import { type Pattern, runPattern } from "../../examples/agent-patterns/patterns.ts";
import { Holdfast } from "../../src/main.ts";

// The example's four workflows on a server with its policy, with its agents over HTTP.

const over = new AbortController();
let server: Holdfast;
let base = "";
let agents: Promise<void>;

beforeAll(async () => {
  const policy = fileURLToPath(new URL("../../examples/agent-patterns/policy.yaml", import.meta.url));
  server = await Holdfast.start({ db: ":memory:", port: 0, httpPort: 0, log: { level: "error" }, policy: [policy] });
  base = `http://${server.httpAddress}`;
  agents = serveAgents(base, over.signal);
});
afterAll(async () => {
  over.abort();
  await agents;
  await server.stop();
});

test.each<[Pattern, unknown, object, readonly string[]]>([
  // pattern      output                                            steps                                               held by
  [
    "sequential",
    "What is durable execution? It depends. When does durable execution pay off? It depends.",
    { outline: { attempts: 1 }, draft: { attempts: 2 }, polish: { attempts: 1 } },
    [],
  ],
  ["concurrent", ["performance: fine", "security: fine"], { review: { status: "succeeded" }, verdict: { status: "succeeded" } }, []],
  [
    "handoff",
    "Your request went to billing, and is done.",
    { refund: { status: "succeeded" }, fix: { status: "cancelled" }, answer: { status: "cancelled" } },
    ["money-needs-a-person"],
  ],
  [
    "group-chat",
    { agreed: true, said: ["architect", "skeptic", "architect", "skeptic"].map((speaker) => ({ speaker, text: expect.any(String) })) },
    { chat: { status: "succeeded" } },
    [],
  ],
])("%s", async (pattern, output, steps, heldBy) => {
  const held: string[] = [];
  const run = await runPattern(base, pattern, ({ rule_id }) => held.push(rule_id));
  expect([run.status, run.output, held], JSON.stringify(run)).toEqual(["succeeded", output, heldBy]);
  expect(run.steps).toMatchObject(steps);
});
