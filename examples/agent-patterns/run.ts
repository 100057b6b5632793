// `npx tsx examples/agent-patterns/run.ts`: the four patterns on a server of its own, with this script as the person who consents.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { childFailure, startChild } from "../main-job/children.ts";
import { accepting, freePort } from "../main-job/ports.ts";
import { say } from "../main-job/screen.ts";
import { serveAgents } from "./agents.ts";
import { type Pattern, patterns, runPattern } from "./patterns.ts";

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const dataDir = resolve(".holdfast/agent-patterns");
mkdirSync(dataDir, { recursive: true });
const [port, httpPort] = [await freePort(), await freePort()];
const server = startChild({
  name: "server",
  args: [
    ...[beside("../../bin/holdfast.js"), "dev", "--db", ":memory:", "--port", String(port), "--http-port", String(httpPort)],
    ...["--policy", beside("policy.yaml"), "--log-level", "warn"],
  ],
  logFile: join(dataDir, "server.log"),
});
await Promise.race([accepting(httpPort, 15_000), childFailure]);

const address = `http://127.0.0.1:${httpPort}`;
const over = new AbortController();
const agents = serveAgents(address, over.signal);
for (const pattern of Object.keys(patterns) as Pattern[]) {
  say(`\n${pattern}`);
  const run = await runPattern(address, pattern, ({ rule_id, reason }) => say(`  is held by ${rule_id}: ${reason}; ann approves`));
  for (const [id, { status, attempts }] of Object.entries(run.steps))
    say(`  ${id.padEnd(12)} ${status}${attempts > 1 ? `, after ${attempts} attempts` : ""}`);
  say(`  → ${run.status}: ${JSON.stringify(run.output)}`);
}
over.abort();
await agents;
await server.stop();
