import { err, ok, type Result } from "../../base/result.ts";
import type { RunConfig } from "../../dag/decider/event.ts";
import type { JsonObject } from "../../dag/json.ts";
import type { DagSpec } from "../../dag/spec/spec.ts";
import { namesConfig } from "../../dag/spec/uses.ts";
import type { Store } from "../../store/store.ts";
import { changeDocument, jsonOf } from "../change-document.ts";
import type { Clock } from "../clock.ts";
import type { Committer } from "../committer.ts";
import { administrationEntry } from "../ledger/administration-entry.ts";
import type { Namespaces } from "../namespaces.ts";
import {
  type ConfigDocument,
  type ConfigOf,
  type ConfigScope,
  configFault,
  configScopes,
  type EffectiveConfig,
  effective,
  hashOf,
  merged,
  systemScopeId,
  tagOf,
} from "./config.ts";

export type ConfigRefusal =
  | { readonly kind: "bad-config"; readonly message: string }
  | { readonly kind: "no-such-namespace" | "no-such-config" | "too-many-configs" | "config-changed" | "busy" };
type Answer<T> = Promise<Result<T, ConfigRefusal>>;

export type SaveConfig = Pick<ConfigDocument, "scope" | "scopeId" | "data" | "meta"> & {
  readonly by: string;
  /** The tag of the document that this one replaces; null saves in the place of any. */
  readonly seen: string | null;
};

/** Configuration documents of namespaces, each change of which is in the ledger. Runs keep what was in effect when they started. */
export type Configs = {
  /** Puts a document in the place of the one that is there. At most `configsMax` (1,000) of a namespace. Saved as it is, nothing changes. */
  save(namespace: string, save: SaveConfig): Answer<ConfigDocument>;
  get(namespace: string, scope: ConfigScope, scopeId: string): Answer<ConfigDocument>;
  effective(namespace: string, of: ConfigOf): Answer<EffectiveConfig>;
  /** What a run that starts now keeps; null when its definition does not look into it. */
  pinned(namespaceId: string, of: Omit<ConfigOf, "stepId">, spec: DagSpec): Promise<RunConfig | null>;
};

const configsMax = 1_000;
const kind = "config";
const idIn = (namespaceId: string, scope: ConfigScope, scopeId: string): string => `${namespaceId}/${scope}/${scopeId}`;

export function createConfigs(deps: {
  readonly store: Pick<Store, "readDocument" | "listDocuments">;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
  readonly namespaces: Pick<Namespaces, "get">;
}): Configs {
  const { store, clock, namespaces } = deps;

  const within = async <T>(namespace: string, ask: (namespaceId: string) => Answer<T>): Answer<T> => {
    const found = namespaces.get(namespace);
    return found.ok ? ask(found.value.id) : err({ kind: "no-such-namespace" });
  };

  async function read(namespaceId: string, scope: ConfigScope, scopeId: string | null): Promise<ConfigDocument | null> {
    const stored = scopeId === null || scopeId === "" ? null : await store.readDocument(kind, idIn(namespaceId, scope, scopeId));
    return stored === null ? null : jsonOf<ConfigDocument>(stored);
  }

  const readAll = (namespaceId: string, { orgId, teamId, workflowId, stepId }: ConfigOf): Promise<(ConfigDocument | null)[]> => {
    const ids = { system: systemScopeId, org: orgId, team: teamId, workflow: workflowId, step: stepId };
    return Promise.all(configScopes.map((scope) => read(namespaceId, scope, ids[scope])));
  };

  async function isFull(namespaceId: string): Promise<boolean> {
    const stored = await store.listDocuments(kind, `${namespaceId}/`, configsMax);
    return stored.filter(({ id }) => id.startsWith(`${namespaceId}/`)).length >= configsMax;
  }

  async function ofSteps(namespaceId: string, { indexOf }: DagSpec, below: JsonObject): Promise<RunConfig["steps"]> {
    const prefix = idIn(namespaceId, "step", "");
    const steps: { [id: string]: JsonObject } = {};
    for (const document of await store.listDocuments(kind, prefix, configsMax)) {
      if (!document.id.startsWith(prefix)) break;
      const { scopeId, data } = jsonOf<ConfigDocument>(document);
      if (indexOf.has(scopeId)) steps[scopeId] = merged(below, data);
    }
    return steps;
  }

  return {
    save: (namespace, { scope, scopeId, data, meta, by, seen }) =>
      within(namespace, async (namespaceId) => {
        const fault = configFault({ scope, scopeId, data, meta });
        if (fault !== null) return err({ kind: "bad-config", message: fault });
        const document = { kind, id: idIn(namespaceId, scope, scopeId), busy: { kind: "busy" } as ConfigRefusal };
        return changeDocument<ConfigDocument, ConfigDocument, ConfigRefusal>(deps, document, async (before) => {
          const tag = tagOf({ data, meta });
          if (seen !== null && (before === null || tagOf(before) !== seen)) return err({ kind: "config-changed" });
          if (before !== null && tagOf(before) === tag) return ok({ value: before, answer: before });
          if (before === null && (await isFull(namespaceId))) return err({ kind: "too-many-configs" });
          const at = clock.now();
          const saved = { scope, scopeId, data, meta, revision: (before?.revision ?? 0) + 1, updatedAt: at, updatedBy: by };
          const ledger = administrationEntry(
            { namespaceId, at },
            {
              act: "config-saved",
              by,
              scope,
              scope_id: scopeId,
              revision: saved.revision,
              hash_before: before === null ? null : hashOf(before.data),
              hash: hashOf(data),
              // Values may be secrets, although they should not be.
              keys: Object.keys(data).sort(),
            },
          );
          return ok({ value: saved, answer: saved, ledger: [ledger] });
        });
      }),
    get: (namespace, scope, scopeId) =>
      within(namespace, async (namespaceId) => {
        const found = await read(namespaceId, scope, scopeId);
        return found === null ? err({ kind: "no-such-config" }) : ok(found);
      }),
    effective: (namespace, of) => within(namespace, async (namespaceId) => ok(effective(await readAll(namespaceId, of)))),
    pinned: async (namespaceId, of, spec) => {
      if (!namesConfig(spec)) return null;
      const { data } = effective(await readAll(namespaceId, { ...of, stepId: null }));
      const run = merged(spec.config, data);
      return { data: run, steps: await ofSteps(namespaceId, spec, run) };
    },
  };
}
