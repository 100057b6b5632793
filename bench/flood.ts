// One namespace that asks for as much as it can get, in a process of its own that gives way to all others: what suffers is the server alone.
import { randomUUID } from "node:crypto";
import { getPriority, setPriority } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { connectRaw, inFlight, type RawClient } from "./grpc.ts";
import { executionOf, identity, pollActivityTask, queueNamed, signalWorkflow, startRequest, startWorkflow } from "./rpcs.ts";

export const floods = ["starts", "signals", "polls", "logins"] as const;
export type Flood = (typeof floods)[number];

/** Of each kind. */
const callsAtOnce = 64;
/** A run takes no more signals than that. */
const signalsPerRun = 5_000;
const pollSeconds = 0.05;
const reconnectMs = 20;

/** Connects anew when the server has ended the connection. */
function stubborn(connect: () => RawClient): Pick<RawClient, "call"> {
  let client = connect();
  return {
    call: async (rpc, request) => {
      const used = client;
      try {
        return await used.call(rpc, request);
      } catch (error) {
        const isAnswer = error instanceof Error && / status \d+/.test(error.message);
        if (!isAnswer && used === client) {
          used.close();
          client = connect();
        }
        if (!isAnswer) await delay(reconnectMs);
        throw error;
      }
    },
  };
}

async function main(address: string, namespace: string, token: string): Promise<void> {
  setPriority(Math.min(19, getPriority() + 10));
  const authorization = `Bearer ${token}`;
  const metadata = { authorization, "temporal-namespace": namespace };
  const client = stubborn(() => connectRaw(address, metadata));
  const impatient = stubborn(() => connectRaw(address, { ...metadata, "grpc-timeout": `${pollSeconds * 1000}m` }));
  const stranger = stubborn(() => connectRaw(address, { authorization: `Bearer ${token.slice(0, -8)}wrong00` }));
  const taskQueue = `nobody-${randomUUID()}`;
  let until = 0;
  let signalled: Promise<string> | null = null;
  let signals = 0;

  async function startOne(): Promise<string> {
    const workflowId = `flood-${randomUUID()}`;
    await client.call(startWorkflow, { ...startRequest(workflowId, taskQueue), namespace });
    return workflowId;
  }
  const refused = async (call: Promise<unknown>): Promise<void> => void (await call.catch(() => {}));
  const work: { readonly [F in Flood]: () => Promise<void> } = {
    starts: () => refused(startOne()),
    signals: async () => {
      if (signalled === null || signals++ % signalsPerRun === 0) signalled = startOne();
      const workflowExecution = executionOf(await signalled);
      await refused(client.call(signalWorkflow, { namespace, workflowExecution, signalName: "more", identity }));
    },
    polls: () => refused(impatient.call(pollActivityTask, { namespace, identity, taskQueue: queueNamed(`idle-${randomUUID()}`) })),
    logins: () => refused(stranger.call(startWorkflow, { ...startRequest("never", taskQueue), namespace })),
  };

  process.on("message", async ({ kinds, seconds }: { readonly kinds: readonly Flood[]; readonly seconds: number }) => {
    until = performance.now() + seconds * 1000;
    const counts = await Promise.all(
      kinds.map((kind) => inFlight({ count: Number.POSITIVE_INFINITY, atOnce: callsAtOnce, deadline: until, work: work[kind] })),
    );
    process.send?.(counts.reduce((sum, count) => sum + count, 0) / seconds);
  });
  process.send?.("ready");
}

const [address = "", namespace = "", token = ""] = process.argv.slice(2);
if (process.send !== undefined) await main(address, namespace, token);
