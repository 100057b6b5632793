import type { Result } from "../src/base/result.ts";
import { dayMs } from "../src/base/time.ts";
import { defaultLimits } from "../src/execution/limits.ts";
import type { Refusal } from "../src/protocol/refusal.ts";
import { changeOutsideRuns } from "../src/service/committer.ts";
import { type Core, startCore } from "../src/service/core.ts";
import type { Caller, Services } from "../src/service/services.ts";
import type { Change, ChangeOutcome, Store } from "../src/store/store.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./time.ts";

/** The caller learns nothing: the server may have done what was asked of it or not. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** The real core over the real store, in a process that dies now and then and is started again. */
export type SimulatedServer = {
  /** One request over a connection that may break before or after the server acted. Refusals are answers. */
  call<K extends keyof Services>(name: K, request: Parameters<Services[K]>[0]): Promise<Awaited<ReturnType<Services[K]>>>;
  /** The same for what is behind other edges: policies, approvals. */
  ask<T>(request: (core: Core) => Promise<T>): Promise<T>;
  crash(): void;
  /** How many calls to the store and to the server there were so far: what does not grow for some turns is at rest. */
  readonly activity: number;
  readonly crashes: number;
  /** No more crashes and lost answers. */
  calm(): void;
  stop(): Promise<void>;
};

export type Dangers = {
  /** Of each commit: that the process dies just before or just after it. */
  readonly crashAtCommit: number;
  /** Of each answer: that it does not arrive. */
  readonly lostAnswer: number;
  readonly restartMsMax: number;
};

type Process = { alive: boolean; core: Core | null; readonly calls: Set<AbortController> };

const hangs = (): Promise<never> => new Promise(() => {});

export async function startSimulatedServer(deps: {
  readonly store: Store;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly dangers: Dangers;
  /** Told of all that is written, in its order. */
  readonly committed?: (changes: readonly Change[], outcomes: readonly ChangeOutcome[]) => void;
}): Promise<SimulatedServer> {
  const { store, time, random, dangers } = deps;
  let activity = 0;
  let crashes = 0;
  let calm = false;
  let process: Process = { alive: false, core: null, calls: new Set() };
  let up = signal();

  /** The store as a process sees it: once the process is dead nothing reaches the store, and nothing comes back. */
  function storeOf(owner: Process): Store {
    const guarded = Object.fromEntries(
      Object.entries(store).map(([name, method]) => [
        name,
        async (...given: unknown[]) => {
          activity++;
          if (!owner.alive) return hangs();
          const answer = await (method as (...given: unknown[]) => Promise<unknown>)(...given);
          return owner.alive ? answer : hangs();
        },
      ]),
    ) as unknown as Store;
    return {
      ...guarded,
      commit: async (changes) => {
        activity++;
        if (!owner.alive) return hangs();
        const dies = !calm && random.chance(dangers.crashAtCommit);
        const before = dies && random.chance(0.5);
        if (before) crash();
        else {
          const outcomes = await store.commit(changes);
          deps.committed?.(changes, outcomes);
          if (!dies && owner.alive) return outcomes;
          if (dies) crash();
        }
        return hangs();
      },
      putNamespace: async (record, ledger) => {
        activity++;
        if (!owner.alive) return hangs();
        const outcome = await store.putNamespace(record, ledger);
        deps.committed?.([changeOutsideRuns({ putDocuments: [], ledger })], [outcome]);
        return owner.alive ? outcome : hangs();
      },
    };
  }

  async function start(): Promise<void> {
    const owner: Process = { alive: true, core: null, calls: new Set() };
    process = owner;
    owner.core = await startCore({
      store: storeOf(owner),
      clock: time.clockOf(() => owner.alive),
      log: silentLog,
      metrics: createMetrics(),
      limits: defaultLimits,
      // Polls wait in real time, which does not pass here: they end with the process.
      longPoll: { poll: 60_000, history: 20_000, update: 20_000 },
      newId: random.id,
      namespaces: [{ name: "default", retention: dayMs, searchAttributes: {} }],
      retention: false,
    });
    if (owner.alive) up.raise();
    else end(owner);
  }

  function end(owner: Process): void {
    owner.alive = false;
    for (const call of owner.calls) call.abort();
    owner.core?.drain();
  }

  function crash(): void {
    if (!process.alive) return;
    crashes++;
    // One that dies while it starts has not been up.
    if (process.core !== null) up = signal();
    end(process);
    time.at(time.now() + random.between(1, dangers.restartMsMax), () => void start());
  }

  async function ask<T>(request: (core: Core, caller: Caller) => Promise<T>): Promise<T> {
    activity++;
    // It may die again before its callers learn that it is up.
    do await up.raised;
    while (!process.alive || process.core === null);
    const owner = process;
    const { core } = process;
    const call = new AbortController();
    owner.calls.add(call);
    const broken = new Promise<never>((_, reject) => {
      call.signal.addEventListener("abort", () => reject(new ConnectionLost("the server died")));
    });
    const caller: Caller = { clientName: "simulation", clientVersion: "1", deadline: null, signal: call.signal };
    const answer = await Promise.race([request(core, caller), broken]).finally(() => owner.calls.delete(call));
    activity++;
    if (!calm && random.chance(dangers.lostAnswer)) throw new ConnectionLost("the answer was lost");
    return answer;
  }

  await start();

  return {
    call: (name, request) =>
      ask((core, caller) => {
        const use = core.services[name] as (request: unknown, caller: Caller) => Promise<Result<unknown, Refusal>>;
        return use(request, caller) as never;
      }),
    ask,
    crash,
    get activity() {
      return activity;
    },
    get crashes() {
      return crashes;
    },
    calm: () => {
      calm = true;
    },
    stop: async () => {
      await up.raised;
      await process.core?.stop();
      end(process);
    },
  };
}

/** Something to be waited for, by any number. */
function signal() {
  let raise = () => {};
  const raised = new Promise<void>((resolve) => {
    raise = resolve;
  });
  return { raised, raise };
}
