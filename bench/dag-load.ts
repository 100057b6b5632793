// Declarative workflows: runs that are started over HTTP, with their steps on a worker of the published SDK in a process of its own.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { inFlight } from "./grpc.ts";
import { connectHttp } from "./http.ts";
import { cpuMs, messageFrom, startScript } from "./process.ts";
import type { Round, Shape } from "./sdk-load.ts";
import type { Server } from "./server.ts";

export type StartRound = {
  readonly perSecond: number;
  /** From sending each request to its answer, milliseconds. */
  readonly latencies: readonly number[];
  readonly serverCpuMs: number;
};

export type DagLoad = {
  /** So many runs at once, each with a chain of so many steps; from the first start until the last output. */
  steps(shape: Shape): Promise<Round>;
  /** Starts of runs with one step each, which nobody takes. */
  starts(seconds: number): Promise<StartRound>;
  /** One run with one step for each of so many items; seconds. */
  forEach(items: number): Promise<number>;
  /** Ends clients and worker, not the server. */
  close(): Promise<void>;
};

const startsAtOnce = 64;
const forEachAtOnce = 50;

/** Starts a worker of `server`, which must have an HTTP port, with its log in `folder`. */
export async function openDagLoad({ address, httpAddress, process: child }: Server, folder: string): Promise<DagLoad> {
  if (httpAddress === null) throw new Error("declarative workflows need an HTTP port");
  const taskQueue = `dag-${randomUUID()}`;
  const worker = startScript(new URL("./worker/worker.ts", import.meta.url), [address, taskQueue], join(folder, "worker.log"));
  await messageFrom(worker);
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  const http = connectHttp(httpAddress);
  const cpuOf = (pid: number | undefined): number => (pid === undefined ? Number.NaN : cpuMs(pid));

  const step = { type: "activity", task_queue: taskQueue, activity_type: "step", timeout: "5m" };
  const create = (id: string, steps: object): Promise<unknown> => http.post("/workflows", { id, steps });
  const start = async (id: string, input: unknown): Promise<string> =>
    (await http.post<{ readonly run_id: string }>(`/workflows/${id}/runs`, { input })).run_id;
  const ended = (runId: string): Promise<unknown> => client.workflow.getHandle(runId).result();

  await create("nobody", { only: { ...step, task_queue: `nobody-${taskQueue}` } });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a template of the workflow language.
  await create("each", { each: { ...step, for_each: "input.items", max_parallel: forEachAtOnce, input: { n: "${item}" } } });

  return {
    async steps({ workflows, steps }) {
      const id = `chain-${steps}`;
      await create(id, chainOf(step, steps));
      const before = [cpuOf(child?.pid), cpuOf(worker.pid)] as const;
      const begin = performance.now();
      await Promise.all(Array.from({ length: workflows }, async () => ended(await start(id, {}))));
      const seconds = (performance.now() - begin) / 1000;
      const count = workflows * steps;
      const serverCpuMs = (cpuOf(child?.pid) - before[0]) / count;
      const workerCpuMs = (cpuOf(worker.pid) - before[1]) / count;
      worker.process.send("gaps");
      return { perSecond: count / seconds, gaps: await messageFrom<number[]>(worker), serverCpuMs, workerCpuMs };
    },
    async starts(seconds) {
      const latencies: number[] = [];
      const cpuBefore = cpuOf(child?.pid);
      const begin = performance.now();
      const count = await inFlight({
        count: Number.POSITIVE_INFINITY,
        atOnce: startsAtOnce,
        deadline: begin + seconds * 1000,
        work: async () => {
          const sentAt = performance.now();
          await start("nobody", {});
          latencies.push(performance.now() - sentAt);
        },
      });
      const perSecond = (count * 1000) / (performance.now() - begin);
      return { perSecond, latencies, serverCpuMs: (cpuOf(child?.pid) - cpuBefore) / count };
    },
    async forEach(items) {
      const begin = performance.now();
      await ended(await start("each", { items: Array.from({ length: items }, (_, index) => index) }));
      return (performance.now() - begin) / 1000;
    },
    async close() {
      http.close();
      await connection.close();
      await worker.kill();
    },
  };
}

const chainOf = (step: object, length: number): object =>
  Object.fromEntries(Array.from({ length }, (_, at) => [`s${at}`, at === 0 ? step : { ...step, depends_on: [`s${at - 1}`] }]));
