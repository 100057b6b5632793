import { authorityOf } from "../../access/authority.ts";
import type { Permission } from "../../access/permission.ts";
import type { Grant } from "../../access/principal.ts";
import type { Result } from "../../base/result.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { createCommitter } from "../committer.ts";
import { type ManualClock, manualClock, openTestStore, type TestStore } from "../service.test-kit.ts";
import { type Directory, openDirectory } from "./directory.ts";
import { createKeys, type Keys, type Manager, type WantedKey } from "./keys.ts";

// What the tests of this folder share: servers on one store, each with its own memory of keys and roles.

export type TestServer = { readonly directory: Directory; readonly keys: Keys };

export type TestServers = {
  readonly store: TestStore;
  readonly clock: ManualClock;
  /** Another server, as it starts on what the store has now. */
  start(configured?: { readonly [name: string]: readonly Permission[] }): Promise<TestServer>;
};

export async function openServers(): Promise<TestServers> {
  const store = await openTestStore();
  const clock = manualClock();
  return {
    store,
    clock,
    start: async (configured = {}) => {
      const committer = createCommitter({ store, metrics: createMetrics() });
      const directory = await openDirectory({ store, committer, clock, configured });
      return { directory, keys: createKeys({ directory, clock }) };
    },
  };
}

/** Somebody with these grants, on a server. */
export const manager = ({ directory }: TestServer, grants: readonly Grant[], taskQueues: readonly string[] | null = null): Manager => ({
  id: "ann",
  authority: authorityOf({ grants, taskQueues }, directory.permissionsOf),
});

export const everywhere = (...roles: readonly string[]): readonly Grant[] => [{ namespaces: ["*"], roles }];

export const wanted = (given: Partial<WantedKey> = {}): WantedKey => ({
  name: "ci",
  principal: "ci",
  kind: "service",
  grants: [{ namespaces: ["orders"], roles: ["worker"] }],
  taskQueues: null,
  expiresAt: null,
  ...given,
});

/** The value of what must not be refused. */
export function given<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`);
  return result.value;
}
