import { randomUUID } from "node:crypto";
import type { Figure } from "../figure.ts";
import { connectRaw, inFlight } from "../grpc.ts";
import { residentMib, settledMib, until } from "../process.ts";
import { countWorkflows, describeWorkflow, executionOf, identity, namespace, signalWorkflow, startSleeping } from "../rpcs.ts";
import type { Scenario } from "../scenario.ts";
import { startServer } from "../server.ts";

const callsAtOnce = 128;
const loadMsMax = 90_000;
const thirtyDays = 30 * 24 * 3_600;
/** Garbage of the load is given back to the system within this time. */
const settleMsMax = 30_000;

/** Runs that each wait for a timer of 30 days: what they hold in memory, and how long the server is away when it is killed among them. */
export const sleeping: Scenario = async ({ address, quick, cpuProf, folder, say }) => {
  if (address !== null) return [];
  const own = folder("sleeping");
  const { server } = await startServer(own, { cpuProf });
  const pid = server.process?.pid ?? 0;
  const prefix = `sleeper-${randomUUID()}`;
  const taskQueue = prefix;
  const client = connectRaw(server.address);
  const wanted = quick ? 20_000 : 100_000;
  let residentMax = 0;
  const begin = performance.now();
  const count = await inFlight({
    count: wanted,
    atOnce: callsAtOnce,
    deadline: begin + loadMsMax,
    work: async (index) => {
      await startSleeping(client, { workflowId: `${prefix}-${index}`, taskQueue, seconds: thirtyDays });
      if (index % 1000 === 0) residentMax = Math.max(residentMax, residentMib(pid));
    },
  });
  const perSecond = count / ((performance.now() - begin) / 1000);
  client.close();
  const runs = count.toLocaleString("en");
  say(`${runs} runs asleep, ${Math.round(perSecond)}/s`);
  const resident = await settledMib(pid, settleMsMax);
  await server.process?.kill();

  // The new process is busy until it answers, so that a call to it is one that waits, not one that is repeated.
  const killedAt = performance.now();
  const { server: next } = await startServer(own);
  const again = connectRaw(next.address);
  const workflowExecution = executionOf(`${prefix}-${Math.floor(count / 2)}`);
  await again.call(describeWorkflow, { namespace, execution: workflowExecution });
  await again.call(signalWorkflow, { namespace, workflowExecution, signalName: "wake", identity, requestId: randomUUID() });
  const signaledMs = performance.now() - killedAt;
  await until(
    async () => {
      const { count: running } = await again.call(countWorkflows, { namespace, query: 'ExecutionStatus = "Running"' });
      if (running !== count) throw new Error(`${running} of ${count} runs are there`);
    },
    { everyMs: 20, waitMs: loadMsMax },
  );
  const completeMs = performance.now() - killedAt;
  again.close();
  const residentAfter = await settledMib(next.process?.pid ?? 0, settleMsMax);
  await next.stop();

  const scaled = count < 100_000 ? `with ${runs} only: ${count < wanted ? "time was up" : "--quick"}` : "";
  const figure = (name: string, unit: Figure["unit"], value: number, atMost?: number, note = scaled): Figure => ({
    name,
    unit,
    rounds: [value],
    ...(atMost === undefined ? {} : { budget: { atMost } }),
    ...(note === "" ? {} : { note }),
  });
  return [
    figure(`resident memory, ${runs} sleeping`, "MiB", resident, 200),
    figure("  highest while they were started", "MiB", residentMax, undefined, `at ${Math.round(perSecond)} runs/s`),
    figure("  after kill -9 and recovery", "MiB", residentAfter),
    figure(`recovery with ${runs} open, first signal`, "s", signaledMs / 1000, 3),
    figure("  all runs listed as running", "s", completeMs / 1000, 3),
  ];
};
