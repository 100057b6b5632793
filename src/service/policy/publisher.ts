import { canonicalBytes, canonicalJson } from "../../base/canonical-json.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import type { Snapshot } from "../../governance/policy/snapshot.ts";
import type { DocumentWrite } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Clock } from "../clock.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import { createKeyedLock } from "../keyed-lock.ts";
import { serverNamespaceId } from "../ledger/audit.ts";
import { type BundleProblem, type BundleSource, compileBundles, contentHash, type Signing, unsignedAllowed } from "./bundle-source.ts";
import {
  type Documents,
  inForceWrite,
  listDrafts,
  type Publication,
  publicationWrite,
  readInForce,
  readSnapshot,
  snapshotWrite,
} from "./policy-documents.ts";
import type { SafetyKernel } from "./safety-kernel.ts";

/** What decides now, and how it came to. */
export type Current = {
  /** Of its publication; 0 while none was made. */
  readonly number: number;
  readonly snapshot: Snapshot;
  readonly bundles: readonly BundleSource[];
  /** See `InForce.files`. */
  readonly files: { readonly [id: string]: string };
};

/** A snapshot that is to come into force, and what else its publication changes. */
export type Next = Pick<Publication, "cause" | "by" | "author" | "message" | "note"> & {
  readonly snapshot: Snapshot;
  readonly bundles: readonly BundleSource[];
  readonly files: Current["files"];
  readonly drafts: readonly DocumentWrite[];
};

/** The one way in which a policy comes into force. */
export type Publisher = {
  readonly current: Current;
  /** A snapshot that is or was in force; null when there is none of that hash, or this server cannot read it. */
  past(hash: string): Promise<Snapshot | null>;
  /** The snapshot of bundles; or what is wrong with them. */
  compile(bundles: readonly BundleSource[]): Result<Snapshot, readonly BundleProblem[]>;
  /**
   * Puts `next` in force in the place of `from`. Its record, its text and its entry in the ledger are one commit, and it decides only after that.
   * Refused when something else has come into force, or one of the drafts has changed, meanwhile: of several at a time one wins.
   */
  put(from: Current, next: Next): Promise<Result<Publication, "changed-meanwhile">>;
  /**
   * Takes policy files up, if they are not those taken up last, with the bundles of the API that are in force. The first call recovers what was
   * in force before the server stopped. When something is wrong, nothing changes.
   */
  takeUp(files: readonly BundleSource[]): Promise<Result<void, readonly BundleProblem[]>>;
};

/** Drafts kept at one time. */
export const draftsMax = 500;
const attemptsMax = 5;

export function createPublisher(deps: {
  readonly store: Documents;
  readonly committer: Pick<Committer, "commit">;
  readonly kernel: Pick<SafetyKernel, "snapshot" | "enforce">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
  readonly signing: Signing;
}): Publisher {
  const { store, committer, kernel, clock, log, signing } = deps;
  const nothing: Current = { number: 0, snapshot: kernel.snapshot(), bundles: [], files: {} };
  let current = nothing;
  let isRecovered = false;
  const lock = createKeyedLock();

  const compile: Publisher["compile"] = (bundles) =>
    // Without bundles, what the configuration says for that case decides.
    bundles.length === 0 ? ok(nothing.snapshot) : compileBundles(bundles, signing);

  /** What was published later is not undone by what finishes later. */
  function enforce(next: Current): void {
    if (next.number < current.number) return;
    current = next;
    kernel.enforce(next.snapshot);
    log.info("policy in force", { snapshot: next.snapshot.hash, publication: next.number, rules: next.snapshot.rules.length });
  }

  /** What the store says is in force, whether or not it can be compiled. */
  async function stored(): Promise<{ readonly number: number; readonly hash: string } & Pick<Current, "bundles" | "files">> {
    const inForce = await readInForce(store);
    if (inForce === null) return { number: 0, hash: nothing.snapshot.hash, bundles: [], files: {} };
    const { hash, files } = inForce.value;
    return { number: inForce.version, hash, files, bundles: (await readSnapshot(store, hash)) ?? [] };
  }

  async function put(
    from: Pick<Current, "number"> & { readonly hash: string },
    { snapshot, bundles, files, drafts, ...how }: Next,
  ): Promise<Result<Publication, "changed-meanwhile">> {
    const publication: Publication = {
      number: from.number + 1,
      hash: snapshot.hash,
      parent: from.hash,
      cause: how.cause,
      by: how.by,
      author: how.author,
      at: clock.now(),
      message: how.message,
      note: how.note,
      bundles: bundles.map((bundle) => ({ id: bundle.id, origin: bundle.origin, sha256: contentHash(bundle) })),
    };
    const isKnown = (await readSnapshot(store, snapshot.hash)) !== null;
    const outcome = await committer.commit(
      changeOutsideRuns({
        putDocuments: [
          inForceWrite({ hash: snapshot.hash, files }, from.number),
          publicationWrite(publication),
          ...(isKnown ? [] : [snapshotWrite(snapshot.hash, bundles)]),
          ...drafts,
        ],
        ledger: [publicationEntry(publication)],
      }),
    );
    if (outcome === "conflict") {
      await follow();
      return err("changed-meanwhile");
    }
    enforce({ number: publication.number, snapshot, bundles, files });
    return ok(publication);
  }

  /** Another server on this database may have published. */
  async function follow(): Promise<void> {
    const { number, bundles, files } = await stored();
    if (number <= current.number) return;
    const compiled = compile(bundles);
    if (compiled.ok) enforce({ number, snapshot: compiled.value, bundles, files });
    else log.error("the policy in force cannot be read by this server", { problems: compiled.error.map(sentence).join("; ") });
  }

  async function recoverOrReload(files: readonly BundleSource[]): Promise<Result<void, readonly BundleProblem[]>> {
    const seen = Object.fromEntries(files.map((file) => [file.id, contentHash(file)]));
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const from = isRecovered ? { ...current, hash: current.snapshot.hash } : await stored();
      const unchanged = canonicalJson(seen) === canonicalJson(from.files);
      if (unchanged && isRecovered) return ok(undefined);
      const ofApi = from.bundles.filter(({ origin }) => origin === "api");
      const bundles = unchanged ? from.bundles : [...files, ...ofApi];
      const clashes = clashesOf(files, [...ofApi, ...(await listDrafts(store, draftsMax)).map(({ value }) => value)]);
      if (clashes.length > 0) return err(clashes);
      const compiled = compile(bundles);
      if (!compiled.ok) return compiled;
      const snapshot = compiled.value;
      if (snapshot.hash === from.hash) {
        if (from.number >= current.number) {
          current = { number: from.number, snapshot, bundles, files: seen };
          kernel.enforce(snapshot);
        }
        isRecovered = true;
        return ok(undefined);
      }
      const cause = unchanged ? "server" : "file";
      const published = await put(from, { snapshot, bundles, files: seen, drafts: [], cause, by: null, author: "", message: "", note: "" });
      if (published.ok) {
        isRecovered = true;
        return ok(undefined);
      }
    }
    throw new Error(`policies are published faster than the files can be taken up (${attemptsMax} attempts)`);
  }

  return {
    get current() {
      return current;
    },
    past: async (hash) => {
      const known = [current.snapshot, nothing.snapshot].find((snapshot) => snapshot.hash === hash);
      const bundles = known === undefined ? await readSnapshot(store, hash) : null;
      if (known !== undefined || bundles === null) return known ?? null;
      // Who may sign now says nothing about what was in force then.
      const compiled = compileBundles(bundles, unsignedAllowed);
      return compiled.ok ? compiled.value : null;
    },
    compile,
    put: (from, next) => put({ number: from.number, hash: from.snapshot.hash }, next),
    takeUp: (files) => lock.run("files", () => recoverOrReload(files)),
  };
}

const clashesOf = (files: readonly BundleSource[], others: readonly { readonly id: string }[]): readonly BundleProblem[] =>
  files
    .filter(({ id }) => others.some((other) => other.id === id))
    .map(({ id }) => ({
      bundle: id,
      line: 1,
      column: 1,
      message: `a policy file and a bundle of the API are both called \`${id}\`: rename the file, or delete the bundle`,
    }));

const sentence = ({ bundle, line, column, message }: BundleProblem): string => `${bundle}:${line}:${column}: ${message}`;

function publicationEntry({ number, hash, parent, cause, by, author, at, message, note, bundles }: Publication): LedgerEntry {
  const body = {
    publication: number,
    snapshot_before: parent,
    snapshot_after: hash,
    bundles: bundles.map(({ id }) => id),
    cause,
    by,
    author,
    message,
    note,
  };
  return {
    namespaceId: serverNamespaceId,
    at,
    kind: cause === "rollback" ? "policy-rolled-back" : "policy-published",
    runId: null,
    body: canonicalBytes(body),
  };
}
