import { type FSWatcher, readFileSync, unwatchFile, watch, watchFile } from "node:fs";
import { basename, dirname, extname } from "node:path";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Snapshot } from "../../governance/policy/snapshot.ts";
import type { Log } from "../../telemetry/log.ts";
import { type BundleProblem, type BundleSource, compileBundles, type Signing, unsignedAllowed } from "./bundle-source.ts";
import type { Publisher } from "./publisher.ts";

export type PolicyFiles = { stop(): void };

/** A bundle is known by its file's name, wherever the file lies: snapshot hashes and canaries depend on it. */
export const bundleIdOf = (file: string): string => basename(file, extname(file));

/** Reads policy files, one bundle each; the error holds one line per problem, with file, line and column. */
export function readPolicyFiles(
  files: readonly string[],
  signing: Signing = unsignedAllowed,
): Result<{ readonly sources: readonly BundleSource[]; readonly snapshot: Snapshot }, readonly string[]> {
  const read = files.map((file) => ({ file, ...textsOf(file) }));
  const problems = read.flatMap(({ file, problem }) => (problem === null ? [] : [`${file}: ${problem}`]));
  const ids = files.map(bundleIdOf);
  for (const id of ids.filter((name, index) => ids.indexOf(name) !== index)) problems.push(`two policy files are called \`${id}\``);
  if (problems.length > 0) {
    // What else is wrong is told with them.
    const readable = read.filter(({ file, problem }, index) => problem === null && ids.indexOf(bundleIdOf(file)) === index);
    const compiled = compileBundles(readable.map(sourceOf), signing);
    return err([...(compiled.ok ? [] : linesOf(compiled.error, files)), ...problems]);
  }
  const sources = read.map(sourceOf);
  const compiled = compileBundles(sources, signing);
  return compiled.ok ? ok({ sources, snapshot: compiled.value }) : err(linesOf(compiled.error, files));
}

type Read = { readonly file: string; readonly content: string; readonly signature: string | null };

const sourceOf = ({ file, content, signature }: Read): BundleSource => ({ id: bundleIdOf(file), origin: "file", content, signature });

function textsOf(file: string): { readonly content: string; readonly signature: string | null; readonly problem: string | null } {
  try {
    return { content: readFileSync(file, "utf8"), signature: optional(`${file}.sig`), problem: null };
  } catch (error) {
    return { content: "", signature: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

function optional(file: string): string | null {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** As compilers write it, so that editors find the place. A bundle of no file was published over the API. */
function linesOf(problems: readonly BundleProblem[], files: readonly string[]): readonly string[] {
  return problems.map(({ bundle, line, column, message }) => {
    const file = files.find((one) => bundleIdOf(one) === bundle);
    return `${file ?? `bundle \`${bundle}\``}:${line}:${column}: ${message}`;
  });
}

/**
 * Recovers the policy in force with what policy files say, and takes the files up again whenever one of them changes. A broken file never
 * replaces a good policy: it is reported and the former one stays. Refused when the files, or what was in force, are broken at the start.
 */
export async function enforcePolicyFiles(
  files: readonly string[],
  { publisher, signing, log }: { readonly publisher: Pick<Publisher, "takeUp">; readonly signing: Signing; readonly log: Log },
): Promise<Result<PolicyFiles, readonly string[]>> {
  /** The texts that were looked at last, whether or not they could be used. */
  let seen = "";
  async function takeUp(): Promise<Result<void, readonly string[]>> {
    const texts = JSON.stringify(files.map(textsOf));
    if (texts === seen) return ok(undefined);
    const read = readPolicyFiles(files, signing);
    if (read.ok) {
      const taken = await publisher.takeUp(read.value.sources);
      seen = texts;
      return taken.ok ? taken : err(linesOf(taken.error, files));
    }
    seen = texts;
    return read;
  }

  const first = await takeUp();
  if (!first.ok) return first;

  async function reload(): Promise<void> {
    try {
      const taken = await takeUp();
      if (!taken.ok) for (const problem of taken.error) log.error("a policy file is broken, the former policy stays", { problem });
    } catch (error) {
      log.error("cannot record a policy, the former one stays", {}, error);
      reloadAfter(lookAgainMs);
    }
  }
  // One after the other: a file that changes back while the change is being recorded would be taken for the one in force.
  let taken = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  // Several events of one save count as one.
  function changed(): void {
    reloadAfter(saveMs);
  }
  function reloadAfter(ms: DurationMs): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      taken = taken.then(reload);
    }, ms).unref();
  }
  const stopWatching = watchFiles(files, changed, log);
  return ok({
    stop: () => {
      clearTimeout(timer);
      stopWatching();
    },
  });
}

/** A save takes several events. */
const saveMs: DurationMs = 100;
/** How soon a change is seen that no event tells of: on network file systems, or behind a link that leads into another folder. */
const lookAgainMs: DurationMs = 5 * secondMs;

/**
 * Calls back when one of the files may have changed. Editors replace files, and Kubernetes swaps a link (`..data`) on the way to them, so
 * their folders are watched. What else is in a folder does not count: a database that lies there changes with every commit.
 */
function watchFiles(files: readonly string[], changed: () => void, log: Log): () => void {
  const watched = files.flatMap((file) => [file, `${file}.sig`]);
  const names = new Set(watched.map((file) => basename(file)));
  for (const file of watched) watchFile(file, { interval: lookAgainMs, persistent: false }, changed);
  const watchers = [...new Set(files.map(dirname))].flatMap((folder): readonly FSWatcher[] => {
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name === null || name.startsWith("..") || names.has(name)) changed();
      });
      watcher.on("error", (error) =>
        log.warn("a folder with policy files is no longer watched, but looked at every 5 s", { folder }, error),
      );
      return [watcher];
    } catch (error) {
      log.warn("a folder with policy files cannot be watched, but is looked at every 5 s", { folder }, error);
      return [];
    }
  });
  return () => {
    for (const file of watched) unwatchFile(file, changed);
    for (const watcher of watchers) watcher.close();
  };
}
