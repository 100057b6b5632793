import { secondMs } from "../src/base/time.ts";
import type { Principal } from "../src/governance/action.ts";
import { starter } from "./client.ts";
import { anyPolicy, approverRole, bundleId, openPolicy } from "./policies.ts";
import type { Random } from "./random.ts";
import { ConnectionLost, type SimulatedServer } from "./server.ts";
import type { VirtualTime } from "./time.ts";
import type { Witness } from "./witness.ts";

/* People around a server: some decide on approvals as they like, one publishes policies. */

type Deps = {
  readonly server: SimulatedServer;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly witness: Pick<Witness, "voted">;
  /** Told of what must not happen. */
  readonly failed: (error: unknown) => void;
};

const person = (id: string, ...roles: readonly string[]): Principal => ({ id, kind: "human", roles });
const approvers = [
  person("ann", approverRole),
  person("bob", approverRole),
  person("cid"),
  person("chief"),
  person(starter, approverRole),
] as const;
const administrator = person("root");

/** Until when policies change and people decide at random; from then on everything is allowed, and granted. */
type Until = { readonly at: number; stopped: boolean };

/** Lets people act until they are told to stop. */
export function startPeople(deps: Deps): () => void {
  const { time, random, failed } = deps;
  const until: Until = { at: time.now() + random.between(4, 25) * secondMs, stopped: false };
  administer(deps, until).catch(failed);
  for (const by of approvers) answer(deps, by, until).catch(failed);
  return () => {
    until.stopped = true;
  };
}

/** Asks once; null when nobody knows what came of it. */
async function attempt<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ConnectionLost) return null;
    throw error;
  }
}

async function administer({ server, time, random }: Deps, until: Until): Promise<void> {
  const request = { by: administrator, author: "root", message: "", note: "", parent: null, dryRun: false };
  const publish = async (content: string): Promise<string | null> => {
    const saved = await attempt(() =>
      server.ask(({ policies }) =>
        policies.save({ ...request, id: bundleId, content, enabled: true, signature: null, seen: { kind: "any" } }),
      ),
    );
    if (saved === null || !saved.ok) return null;
    const published = await attempt(() => server.ask(({ policies }) => policies.publish({ ...request, bundleIds: [bundleId] })));
    return published?.ok ? published.value.after : null;
  };
  const past: string[] = [];
  while (time.now() < until.at && !until.stopped) {
    const [snapshot] = past.length > 0 && random.chance(0.3) ? [random.pick([past[0] ?? "", ...past])] : [];
    if (snapshot !== undefined) await attempt(() => server.ask(({ policies }) => policies.rollback({ ...request, snapshot })));
    else {
      const hash = await publish(random.pick(anyPolicy).text);
      if (hash !== null) past.push(hash);
    }
    await time.sleep(random.between(100, 6_000));
  }
  while ((await publish(openPolicy.text)) !== openPolicy.hash) await time.sleep(secondMs);
}

/** Looks at what is pending now and then, and decides on some of it; the one who asks takes it back instead, or tries to grant it. */
async function answer({ server, time, random, witness }: Deps, by: Principal, until: Until): Promise<void> {
  while (!until.stopped) {
    await time.sleep(random.between(500, 5_000));
    const listed = await attempt(() =>
      server.ask(({ approvals }) => approvals.list({ namespace: "default", all: false, after: null, limit: 10 })),
    );
    if (!listed?.ok) continue;
    const [first, ...others] = listed.value.approvals;
    if (first === undefined) continue;
    const { id } = random.pick([first, ...others]);
    const of = { namespace: "default", id };
    const unrest = time.now() < until.at;
    const deed = unrest ? random.pick(["grant", "grant", "grant", "reject", "delegate", "withdraw"] as const) : "grant";
    const reason = "so it is";
    const done = await attempt(() =>
      server.ask(async ({ approvals }) => {
        if (deed === "delegate") return approvals.delegate(of, { from: by, to: random.pick(["ann", "bob", "cid"]), reason });
        if (deed === "withdraw") return approvals.withdraw(of, { by, reason });
        return approvals.vote(of, { voter: by, verdict: deed, reason, jobHash: null, policySnapshot: null });
      }),
    );
    // A grant that comes too late for the policy is no vote.
    if (done?.ok && done.value.votes.some(({ voter }) => voter?.id === by.id)) witness.voted(id, by.id);
  }
}
