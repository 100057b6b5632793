// Sequential activity steps on the published SDK: worker, client and server in three processes.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { cpuMs, messageFrom, startScript } from "./process.ts";
import type { Server } from "./server.ts";
import type { StepKind, sequence } from "./worker/workflows.ts";

/** So many workflows at once, each with so many steps. */
export type Shape = { readonly workflows: number; readonly steps: number };

export type Round = {
  readonly perSecond: number;
  /** Between the beginnings of two consecutive steps of a workflow, milliseconds. */
  readonly gaps: readonly number[];
  /** Per step; NaN for a server that is not ours. */
  readonly serverCpuMs: number;
  readonly workerCpuMs: number;
};

export type SdkLoad = {
  round(kind: StepKind, shape: Shape): Promise<Round>;
  /** Ends client and worker, not the server. */
  close(): Promise<void>;
};

/** Starts a worker of `server`, with its log in `folder`, and connects a client. */
export async function openSdkLoad(server: Server, folder: string): Promise<SdkLoad> {
  const taskQueue = `steps-${randomUUID()}`;
  const worker = startScript(new URL("./worker/worker.ts", import.meta.url), [server.address, taskQueue], join(folder, "worker.log"));
  await messageFrom(worker);
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection });
  const cpu = () => [server.process?.pid, worker.pid].map((pid) => (pid === undefined ? Number.NaN : cpuMs(pid)));

  return {
    async round(kind, { workflows, steps }) {
      const before = cpu();
      const begin = performance.now();
      const args: Parameters<typeof sequence> = [kind, steps];
      await Promise.all(
        Array.from({ length: workflows }, () =>
          client.workflow.execute<typeof sequence>("sequence", { taskQueue, workflowId: randomUUID(), args }),
        ),
      );
      const seconds = (performance.now() - begin) / 1000;
      const after = cpu();
      const count = workflows * steps;
      const [serverCpuMs = Number.NaN, workerCpuMs = Number.NaN] = after.map((ms, index) => (ms - (before[index] ?? Number.NaN)) / count);
      worker.process.send("gaps");
      return { perSecond: count / seconds, gaps: await messageFrom<number[]>(worker), serverCpuMs, workerCpuMs };
    },
    async close() {
      await connection.close();
      await worker.kill();
    },
  };
}
