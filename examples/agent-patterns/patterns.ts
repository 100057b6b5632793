// The four patterns as a caller of the server's HTTP API runs them.
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

export const patterns = {
  sequential: { subject: "durable execution" },
  concurrent: { change: "PR 42" },
  handoff: { text: "I was charged twice, please refund one of them" },
  "group-chat": { question: "one service, or many?" },
} as const;

export type Pattern = keyof typeof patterns;

export type Run = {
  readonly id: string;
  readonly status: string;
  readonly output: unknown;
  readonly steps: { readonly [id: string]: { readonly status: string; readonly attempts: number } };
};

type Approval = { readonly id: string; readonly workflow_id: string; readonly rule_id: string; readonly reason: string };

/** Defines the workflow of a pattern, runs it to its end, and approves whatever is held, as somebody who did not start it. */
export async function runPattern(server: string, pattern: Pattern, onHeld: (approval: Approval) => void = () => {}): Promise<Run> {
  const definition = readFileSync(new URL(`./${pattern}.yaml`, import.meta.url), "utf8");
  const { id } = await ask<{ id: string }>(server, "POST", "/workflows", { type: "application/yaml", body: definition });
  const body = JSON.stringify({ input: patterns[pattern] });
  const { run_id: runId } = await ask<{ run_id: string }>(server, "POST", `/workflows/${id}/runs`, { type: "application/json", body });
  for (;;) {
    const run = await ask<Run>(server, "GET", `/workflow-runs/${runId}`);
    if (!["pending", "running", "waiting"].includes(run.status)) return run;
    const { items } = await ask<{ items: readonly Approval[] }>(server, "GET", `/approvals?workflow_id=${runId}`);
    for (const approval of items) {
      onHeld(approval);
      await ask(server, "POST", `/approvals/${approval.id}/approve`, { as: "ann" });
    }
    await delay(50);
  }
}

type Request = { readonly as?: string; readonly type?: string; readonly body?: string };

async function ask<T>(server: string, method: string, path: string, { as = "support", type, body }: Request = {}): Promise<T> {
  const response = await fetch(`${server}/api/v1${path}`, {
    method,
    headers: { "x-principal-id": as, ...(type === undefined ? {} : { "content-type": type }) },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}
