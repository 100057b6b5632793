import { type FSWatcher, readFileSync, watch } from "node:fs";
import { basename, dirname, extname } from "node:path";
import { err, ok, type Result } from "../base/result.ts";
import { canonicalJson } from "../governance/canonical.ts";
import type { LedgerEntry } from "../governance/ledger/ledger.ts";
import { type Policy, parsePolicy } from "../governance/policy/policy.ts";
import { type Snapshot, snapshotOf } from "../governance/policy/snapshot.ts";
import type { Log } from "../telemetry/log.ts";
import type { Clock } from "./clock.ts";
import { notEnforcedYet } from "./not-enforced-yet.ts";
import type { SafetyKernel } from "./safety-kernel.ts";

/** Namespace id under which the ledger keeps what concerns the whole server. */
export const serverNamespaceId = "system";

export type PolicyFiles = { stop(): void };

/** Reads policy files, one bundle each, into a snapshot; the error holds one line per problem, with file, line and column. */
export function readPolicyFiles(files: readonly string[]): Result<Snapshot, readonly string[]> {
  const problems: string[] = [];
  const bundles = files.flatMap((file) => {
    const { policy, problems: found } = parsed(file);
    const missing = policy === null ? [] : notEnforcedYet(policy);
    problems.push(...found, ...missing.map((what) => `${file}: ${what} is not enforced by this server yet`));
    return policy === null ? [] : [{ id: bundleIdOf(file), policy }];
  });
  const names = bundles.map(({ id }) => id);
  for (const id of names.filter((name, index) => names.indexOf(name) !== index)) problems.push(`two policy files are called \`${id}\``);
  return problems.length > 0 ? err(problems) : ok(snapshotOf(bundles));
}

/** A bundle is known by its file's name, wherever the file lies: snapshot hashes and canaries depend on it. */
const bundleIdOf = (file: string): string => basename(file, extname(file));

function parsed(file: string): { policy: Policy | null; problems: readonly string[] } {
  try {
    const { policy, problems } = parsePolicy(readFileSync(file, "utf8"));
    const errors = problems.filter(({ severity }) => severity === "error");
    return { policy, problems: errors.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`) };
  } catch (error) {
    return { policy: null, problems: [`${file}: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

/**
 * Puts the policy of the files in force, and again whenever one of them changes. A broken file never replaces a good policy: it is reported and
 * the former one stays. Each snapshot that comes into force is recorded. Refused when the files are broken at the start.
 */
export async function enforcePolicyFiles(
  files: readonly string[],
  deps: {
    readonly kernel: SafetyKernel;
    readonly record: (entry: LedgerEntry) => Promise<void>;
    readonly clock: Pick<Clock, "now">;
    readonly log: Log;
  },
): Promise<Result<PolicyFiles, readonly string[]>> {
  const { kernel, record, clock, log } = deps;

  async function publish(snapshot: Snapshot): Promise<void> {
    const before = kernel.snapshot().hash;
    if (snapshot.hash === before) return;
    const body = Buffer.from(
      canonicalJson({ snapshot_before: before, snapshot_after: snapshot.hash, bundles: snapshot.bundles.map(({ id }) => id) }),
    );
    // Recorded first: no decision rests on a policy that the ledger does not know.
    await record({ namespaceId: serverNamespaceId, at: clock.now(), kind: "policy-published", runId: null, body });
    kernel.enforce(snapshot);
    log.info("policy in force", { snapshot: snapshot.hash, rules: snapshot.rules.length });
  }

  const first = readPolicyFiles(files);
  if (!first.ok) return first;
  await publish(first.value);

  async function republish(): Promise<void> {
    const read = readPolicyFiles(files);
    if (!read.ok) {
      for (const problem of read.error) log.error("a policy file is broken, the former policy stays", { problem });
      return;
    }
    await publish(read.value).catch((error: unknown) => log.error("cannot record a policy, the former one stays", {}, error));
  }
  // One after the other: a file that changes back while the change is being recorded would be taken for the one in force.
  let published = Promise.resolve();
  const reload = () => {
    published = published.then(republish);
  };
  let timer: NodeJS.Timeout | undefined;
  // Editors replace files, so their folders are watched; several events of one save count as one.
  const watchers: FSWatcher[] = [...new Set(files.map(dirname))].map((folder) =>
    watch(folder, (_event, name) => {
      if (!files.some((file) => dirname(file) === folder && basename(file) === name)) return;
      clearTimeout(timer);
      timer = setTimeout(reload, reloadAfterMs);
    }),
  );
  for (const watcher of watchers) watcher.unref();
  return ok({
    stop: () => {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  });
}

const reloadAfterMs = 100;
