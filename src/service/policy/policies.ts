import { canonicalBytes } from "../../base/canonical-json.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { Principal } from "../../governance/action.ts";
import { type Change, diff } from "../../governance/policy/diff.ts";
import type { Snapshot } from "../../governance/policy/snapshot.ts";
import type { DocumentWrite } from "../../store/store.ts";
import type { Clock } from "../clock.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import { serverNamespaceId } from "../ledger/audit.ts";
import {
  type BundleProblem,
  type BundleSource,
  compileBundles,
  contentHash,
  readBundle,
  type Signing,
  unsignedAllowed,
} from "./bundle-source.ts";
import {
  bodyOf,
  type Documents,
  type Draft,
  draftWrite,
  listDrafts,
  listPublications,
  type Publication,
  readDraft,
  readSnapshot,
  type Versioned,
} from "./policy-documents.ts";
import { type Current, draftsMax, type Next, type Publisher } from "./publisher.ts";

export type PolicyRefusal =
  | {
      readonly kind:
        | "no-such-bundle"
        | "no-such-snapshot"
        | "bad-bundle-id"
        | "content-required"
        /** It is a policy file of the server's configuration. */
        | "bundle-of-file"
        /** The bundle is not the one that the caller has seen. */
        | "bundle-changed"
        /** Or together too large. */
        | "too-many-bundles"
        /** No bundle would be left. */
        | "nothing-to-publish"
        /** Something else has come into force, or a draft has changed, since the caller looked or meanwhile. */
        | "changed-meanwhile";
    }
  | { readonly kind: "broken-policy"; readonly problems: readonly BundleProblem[] };

/** A bundle as people see it: a draft, a policy file, or one that is in force although its draft was deleted. */
export type BundleView = Omit<Draft, "by" | "createdAt" | "updatedAt"> & {
  readonly origin: BundleSource["origin"];
  readonly sha256: string;
  /** Of the text that decides now; null when the bundle has no say. */
  readonly inForce: string | null;
  /** Names this state of the bundle, for `If-Match`. */
  readonly tag: string;
  /** These three are null where there is no draft. */
  readonly by: Principal | null;
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
};

/** A condition on the state of a bundle: any, not there yet, or the one with this tag. */
export type Seen = { readonly kind: "any" } | { readonly kind: "absent" } | { readonly kind: "tag"; readonly tag: string };

type Request = { readonly by: Principal; readonly author: string; readonly message: string };
export type SaveBundle = Request & {
  readonly id: string;
  /** Undefined leaves it as it is, as do the next two. */
  readonly content: string | undefined;
  readonly enabled: boolean | undefined;
  readonly signature: string | null | undefined;
  readonly seen: Seen;
};
export type Publish = Request & {
  readonly note: string;
  /** Refused unless this snapshot is in force; null for whichever is. */
  readonly parent: string | null;
  /** Says what would happen, and does nothing. */
  readonly dryRun: boolean;
};

/** What a publication or a rollback did, or would do. `publication` is null for a dry run, and when nothing differs. */
export type Outcome = {
  readonly before: string;
  readonly after: string;
  /** Bundles of the API that were taken up. */
  readonly bundles: readonly string[];
  readonly changes: readonly Change[];
  readonly publication: Publication | null;
};

/** Policy bundles over the API, and the history of what was in force. Every change is in the ledger, in the commit that makes it. */
export type Policies = {
  readonly current: Current;
  /** Drafts, policy files and what is in force, by id. */
  bundles(): Promise<readonly BundleView[]>;
  bundle(id: string): Promise<Result<BundleView, PolicyRefusal>>;
  /** Creates or changes a draft. A text that could not be published is refused. */
  save(request: SaveBundle): Promise<Result<BundleView, PolicyRefusal>>;
  /** Deletes a draft. What is in force stays until the next publication. */
  remove(request: Request & { readonly id: string; readonly seen: Seen }): Promise<Result<void, PolicyRefusal>>;
  /**
   * Publishes drafts. With `bundleIds` these alone: each is enabled and taken up, one whose draft was deleted is taken out, and the others stay
   * as they are in force. With null all that are enabled, and the others are taken out. Policy files stay.
   */
  publish(request: Publish & { readonly bundleIds: readonly string[] | null }): Promise<Result<Outcome, PolicyRefusal>>;
  /** Puts a snapshot that was in force before in force again, its policy files included. Drafts are set back with it, others are disabled. */
  rollback(request: Publish & { readonly snapshot: string }): Promise<Result<Outcome, PolicyRefusal>>;
  /** The newest first, beginning after the one of that number; at most `limit`. */
  publications(after: number | null, limit: number): Promise<readonly Publication[]>;
  /** The texts of a snapshot that is or was in force. */
  snapshot(hash: string): Promise<Result<readonly BundleSource[], PolicyRefusal>>;
  /** What would decide if this text, or the draft as it is, were published in the bundle's place. Changes nothing. */
  candidate(id: string, content: string | null): Promise<Result<Snapshot, PolicyRefusal>>;
  /** What turns one snapshot into the other. */
  diff(from: string, to: string): Promise<Result<readonly Change[], PolicyRefusal>>;
};

/** Of all drafts together: a publication compiles them in one go. */
const draftLettersMax = 4 * 2 ** 20;
const idPattern = /^[A-Za-z0-9][\w.-]{0,99}(\/[A-Za-z0-9][\w.-]{0,99}){0,3}$/;

const refused = (kind: Exclude<PolicyRefusal["kind"], "broken-policy">): Result<never, PolicyRefusal> => err({ kind });
const broken = (problems: readonly BundleProblem[]): Result<never, PolicyRefusal> => err({ kind: "broken-policy", problems });

export function createPolicies(deps: {
  readonly store: Documents;
  readonly committer: Pick<Committer, "commit">;
  readonly publisher: Publisher;
  readonly clock: Pick<Clock, "now">;
  readonly signing: Signing;
  /** Ids of the policy files of the configuration. */
  readonly files: ReadonlySet<string>;
}): Policies {
  const { store, committer, publisher, clock, signing, files } = deps;

  const publishedOf = (id: string): BundleSource | undefined => publisher.current.bundles.find((bundle) => bundle.id === id);

  async function viewOf(id: string): Promise<BundleView | null> {
    const draft = await readDraft(store, id);
    return draft === null ? ofPublished(publishedOf(id)) : ofDraft(draft.value, publishedOf(id));
  }

  /** Writes a draft, and what the ledger says of it. */
  async function write(draft: Draft | null, { id, expectedVersion, entry }: { id: string; expectedVersion: number; entry: object }) {
    const body = canonicalBytes({ bundle: id, ...entry });
    return committer.commit(
      changeOutsideRuns({
        putDocuments: [draftWrite(id, draft, expectedVersion)],
        ledger: [{ namespaceId: serverNamespaceId, at: clock.now(), kind: "administration", runId: null, body }],
      }),
    );
  }

  const save: Policies["save"] = async ({ id, content, enabled, signature, seen, ...request }) => {
    if (!idPattern.test(id)) return refused("bad-bundle-id");
    if (files.has(id)) return refused("bundle-of-file");
    const former = await readDraft(store, id);
    if (!fits(seen, former)) return refused("bundle-changed");
    const text = content ?? former?.value.content;
    if (text === undefined) return refused("content-required");
    const others = (await listDrafts(store, draftsMax)).filter(({ value }) => value.id !== id);
    const letters = others.reduce((sum, { value }) => sum + value.content.length, text.length);
    if (others.length >= draftsMax || letters > draftLettersMax) return refused("too-many-bundles");
    // A signature is of one text.
    const kept = content === undefined || content === former?.value.content ? (former?.value.signature ?? null) : null;
    const source: BundleSource = { id, origin: "api", content: text, signature: signature === undefined ? kept : signature };
    const { problems } = readBundle(source, signing);
    if (problems.length > 0) return broken(problems);
    const now = clock.now();
    const draft: Draft = {
      id,
      content: text,
      signature: source.signature,
      enabled: enabled ?? former?.value.enabled ?? true,
      ...request,
      createdAt: former?.value.createdAt ?? now,
      updatedAt: now,
    };
    const entry = { act: "policy-bundle-saved", sha256: contentHash(source), enabled: draft.enabled, ...request };
    const outcome = await write(draft, { id, expectedVersion: former?.version ?? 0, entry });
    return outcome === "conflict" ? refused("changed-meanwhile") : ok(ofDraft(draft, publishedOf(id)));
  };

  const remove: Policies["remove"] = async ({ id, seen, ...request }) => {
    if (files.has(id)) return refused("bundle-of-file");
    const former = await readDraft(store, id);
    if (former === null) return refused("no-such-bundle");
    if (!fits(seen, former)) return refused("bundle-changed");
    const entry = { act: "policy-bundle-deleted", sha256: contentHash(former.value), ...request };
    const outcome = await write(null, { id, expectedVersion: former.version, entry });
    return outcome === "conflict" ? refused("changed-meanwhile") : ok(undefined);
  };

  /** Compiles what is to be in force and puts it there, unless it is only asked what that would mean. */
  async function bringInto(
    from: Current,
    {
      parent,
      dryRun,
      taken,
      ...next
    }: Omit<Next, "snapshot" | "files"> & Pick<Publish, "parent" | "dryRun"> & { readonly taken: readonly string[] },
  ): Promise<Result<Outcome, PolicyRefusal>> {
    if (parent !== null && parent !== from.snapshot.hash) return refused("changed-meanwhile");
    if (next.bundles.length === 0) return refused("nothing-to-publish");
    const compiled = publisher.compile(next.bundles);
    if (!compiled.ok) return broken(compiled.error);
    const snapshot = compiled.value;
    const outcome = { before: from.snapshot.hash, after: snapshot.hash, bundles: taken, changes: diff(from.snapshot, snapshot) };
    if (dryRun || snapshot.hash === from.snapshot.hash) return ok({ ...outcome, publication: null });
    const published = await publisher.put(from, { ...next, snapshot, files: from.files });
    return published.ok ? ok({ ...outcome, publication: published.value }) : refused(published.error);
  }

  const publish: Policies["publish"] = async ({ bundleIds, by, author, message, note, parent, dryRun }) => {
    const from = publisher.current;
    const drafts = new Map((await listDrafts(store, draftsMax)).map((draft) => [draft.value.id, draft]));
    const inForce = new Map(from.bundles.filter(({ origin }) => origin === "api").map((bundle) => [bundle.id, bundle]));
    if (drafts.size === 0 && inForce.size === 0) return refused("nothing-to-publish");
    const named = bundleIds === null ? null : new Set(bundleIds);
    for (const id of named ?? []) {
      if (files.has(id)) return refused("bundle-of-file");
      if (!drafts.has(id) && !inForce.has(id)) return refused("no-such-bundle");
    }
    const taken = [...drafts.values()].filter(({ value }) => (named === null ? value.enabled : named.has(value.id)));
    const stay = [...inForce.values()].filter(({ id }) => named !== null && !named.has(id));
    const api = [...stay, ...taken.map(({ value }) => sourceOf(value))];
    const ofFiles = from.bundles.filter(({ id, origin }) => origin === "file" && !api.some((bundle) => bundle.id === id));
    return bringInto(from, {
      bundles: [...ofFiles, ...api],
      drafts: taken
        .filter(({ value }) => !value.enabled)
        .map(({ value, version }) => draftWrite(value.id, { ...value, enabled: true }, version)),
      taken: taken.map(({ value }) => value.id),
      cause: "api",
      by,
      author,
      message,
      note,
      parent,
      dryRun,
    });
  };

  const rollback: Policies["rollback"] = async ({ snapshot: hash, by, author, message, note, parent, dryRun }) => {
    const from = publisher.current;
    const bundles = await readSnapshot(store, hash);
    if (bundles === null) return refused("no-such-snapshot");
    const api = bundles.filter(({ origin }) => origin === "api");
    if (api.some(({ id }) => files.has(id))) return refused("bundle-of-file");
    const former = new Map((await listDrafts(store, draftsMax)).map((draft) => [draft.value.id, draft]));
    const now = clock.now();
    // Or else the next publication would bring back what was rolled back.
    const setBack = api.map(({ id, content, signature }): DocumentWrite => {
      const draft = former.get(id);
      const createdAt = draft?.value.createdAt ?? now;
      return draftWrite(id, { id, content, signature, enabled: true, by, author, message, createdAt, updatedAt: now }, draft?.version ?? 0);
    });
    const disabled = [...former.values()]
      .filter(({ value }) => value.enabled && !api.some(({ id }) => id === value.id))
      .map(({ value, version }) => draftWrite(value.id, { ...value, enabled: false, updatedAt: now }, version));
    return bringInto(from, {
      bundles,
      drafts: [...setBack, ...disabled],
      taken: api.map(({ id }) => id),
      cause: "rollback",
      by,
      author,
      message,
      note,
      parent,
      dryRun,
    });
  };

  return {
    get current() {
      return publisher.current;
    },
    bundles: async () => {
      const drafts = await listDrafts(store, draftsMax);
      const others = publisher.current.bundles.filter(({ id }) => !drafts.some(({ value }) => value.id === id));
      const views = [...drafts.map(({ value }) => ofDraft(value, publishedOf(value.id))), ...others.map((source) => ofPublished(source))];
      return views.sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    bundle: async (id) => {
      const view = await viewOf(id);
      return view === null ? refused("no-such-bundle") : ok(view);
    },
    save,
    remove,
    publish,
    rollback,
    publications: (after, limit) => listPublications(store, after, limit),
    snapshot: async (hash) => {
      const { snapshot, bundles } = publisher.current;
      const found = snapshot.hash === hash ? bundles : await readSnapshot(store, hash);
      return found === null ? refused("no-such-snapshot") : ok(found);
    },
    candidate: async (id, given) => {
      const content = given ?? (await readDraft(store, id))?.value.content ?? publishedOf(id)?.content;
      if (content === undefined) return refused("no-such-bundle");
      const others = publisher.current.bundles.filter((bundle) => bundle.id !== id);
      const compiled = compileBundles([...others, { id, origin: "api", content, signature: null }], unsignedAllowed);
      return compiled.ok ? compiled : broken(compiled.error);
    },
    diff: async (from, to) => {
      const [before, after] = [await publisher.past(from), await publisher.past(to)];
      return before === null || after === null ? refused("no-such-snapshot") : ok(diff(before, after));
    },
  };
}

const sourceOf = ({ id, content, signature }: Draft): BundleSource => ({ id, origin: "api", content, signature });

const tagOf = (draft: Draft): string => sha256Hex(bodyOf(draft)).slice(0, 32);

function fits(seen: Seen, former: Versioned<Draft> | null): boolean {
  if (seen.kind === "any") return true;
  return seen.kind === "absent" ? former === null : former !== null && tagOf(former.value) === seen.tag;
}

const ofDraft = (draft: Draft, published: BundleSource | undefined): BundleView => ({
  ...draft,
  origin: "api",
  sha256: contentHash(draft),
  inForce: published === undefined ? null : contentHash(published),
  tag: tagOf(draft),
});

function ofPublished(source: BundleSource): BundleView;
function ofPublished(source: BundleSource | undefined): BundleView | null;
function ofPublished(source: BundleSource | undefined): BundleView | null {
  if (source === undefined) return null;
  const sha256 = contentHash(source);
  return {
    ...source,
    enabled: true,
    author: "",
    message: "",
    sha256,
    inForce: sha256,
    tag: sha256.slice(0, 32),
    by: null,
    createdAt: null,
    updatedAt: null,
  };
}
