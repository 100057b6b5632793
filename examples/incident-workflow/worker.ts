// The worker of the incident workflow. Each topic is a task queue of its own; with `--host-down`, no patch can be applied.
//
//     npx tsx worker.ts

import { BadInput, serve, type Task } from "../http-worker/serve.ts";

const hostIsDown = process.argv.includes("--host-down");

const steps: { readonly [topic: string]: (input: unknown) => unknown } = {
  "job.incident.detect": (input) => ({ host: "web-1", symptom: "every third request waits for a connection", input }),
  "job.incident.classify": () => ({ severity: "high", cause: "too few connections" }),
  "job.incident.patch.plan": () => ({ file: "pool.conf", set: { connections: 40 } }),
  "job.incident.patch.apply": () => {
    if (hostIsDown) throw new BadInput("web-1 does not answer");
    return { patched: "web-1" };
  },
};

function carryOut({ activity_type: topic, job_id, input: [input] }: Task): unknown {
  console.log(topic, job_id);
  return steps[topic]?.(input);
}

console.log(`waits for ${Object.keys(steps).join(", ")}`);
await Promise.all(Object.keys(steps).map((topic) => serve(topic, carryOut)));
