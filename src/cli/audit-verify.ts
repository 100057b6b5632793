import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { Checkpoint } from "../governance/ledger/checkpoint.ts";
import type { ChainedEntry, ChainId } from "../governance/ledger/ledger.ts";
import type { Chain, LedgerReport } from "../governance/ledger/verify-ledger.ts";
import type { Store } from "../store/store.ts";
import { type CliContext, exitCodes, type Finish, UsageError } from "./context.ts";
import { publicKeysIn } from "./key-files.ts";

type Options = {
  readonly db: string;
  readonly publicKey?: readonly string[];
  readonly kept?: readonly string[];
  readonly json?: true;
};

export function addAuditVerifyCommand(audit: Command, context: CliContext, finish: Finish): void {
  audit
    .command("verify")
    .summary("verify every chain of the ledger in a database file, without a server")
    .description(
      "Computes every hash of the ledger in a database file anew, and names the first place of each chain that is not what was written. " +
        "Exit code 1 when there is one.",
    )
    .requiredOption("--db <path>", "database file; a running server owns its file, so give a backup of it or stop the server")
    .option("--public-key <file...>", "Ed25519 public keys that checkpoints may be signed by")
    .option("--kept <file...>", "checkpoints that were kept elsewhere, one JSON object per line")
    .option("--json", "print JSON")
    .action(async (options: Options) => {
      const { StoreError } = await import("../store/store.ts");
      try {
        const { report, unchecked, names } = await verify(options);
        if (options.json === true) context.print(JSON.stringify({ ok: report.faults.length === 0, ...report, unchecked }, null, 2));
        else {
          context.print(linesOf(report, names).join("\n"));
          if (unchecked > 0)
            context.complain(`${count(unchecked, "checkpoint was", "checkpoints were")} not checked: name their key with --public-key`);
        }
        finish(report.faults.length === 0 ? exitCodes.ok : exitCodes.failure);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        context.complain(`holdfast: ${error.message}`);
        if (/ is in use by /.test(error.message))
          context.complain("holdfast: a running server owns its file: verify a backup of it, or stop the server first");
        finish(exitCodes.failure);
      }
    });
}

type Verified = {
  readonly report: LedgerReport;
  /** Checkpoints that were not looked at. */
  readonly unchecked: number;
  /** Of namespaces, by id. */
  readonly names: ReadonlyMap<string, string>;
};

async function verify({ db, publicKey = [], kept = [] }: Options): Promise<Verified> {
  const { openSqlite } = await import("../store/sqlite/sqlite.ts");
  const { verifyLedger } = await import("../governance/ledger/verify-ledger.ts");
  const { checkpointNamespaceId, latestCheckpoint } = await import("../governance/ledger/checkpoint.ts");
  const publicKeys = await publicKeysIn(publicKey);
  const keptCheckpoints = await checkpointsOf(
    kept.flatMap((file) =>
      readText(file)
        .split("\n")
        .filter((line) => line.trim() !== ""),
    ),
  );
  if (keptCheckpoints.includes(null)) throw new UsageError(["--kept: not every line is a checkpoint"]);
  const store = await openSqlite({ path: db, readOnly: true });
  try {
    const heads = await allHeads(store);
    const bodies: string[] = [];
    for (const chain of heads.filter(({ namespaceId }) => namespaceId === checkpointNamespaceId))
      for await (const { kind, body } of entriesOf(store, chain)) if (kind === "checkpoint") bodies.push(Buffer.from(body).toString());
    const latest = await store.readDocument(latestCheckpoint.kind, latestCheckpoint.id);
    const known = [...keptCheckpoints, ...(latest === null ? [] : await checkpointsOf([Buffer.from(latest.body).toString()]))];
    // Without a key nobody can say which are good.
    const checkable = publicKeys.length > 0;
    const report = await verifyLedger({
      chains: heads.map((chain): Chain => ({ chain, entries: entriesOf(store, chain) })),
      checkpoints: checkable ? (await checkpointsOf(bodies)).filter((checkpoint) => checkpoint !== null) : [],
      kept: checkable ? known.filter((checkpoint) => checkpoint !== null) : [],
      publicKeys,
    });
    return {
      report,
      unchecked: checkable ? 0 : bodies.length,
      names: new Map((await store.readNamespaces()).map(({ id, name }) => [id, name])),
    };
  } finally {
    await store.close();
  }
}

/** Rows read at one time. */
const pageSize = 500;

async function allHeads(store: Store): Promise<readonly ChainId[]> {
  const heads: ChainId[] = [];
  for (let after: string | null = null; ; ) {
    const page: Awaited<ReturnType<Store["readChains"]>> = await store.readChains({ namespaceId: null, after, limit: pageSize });
    heads.push(...page.heads.map(({ namespaceId, writerId }) => ({ namespaceId, writerId })));
    if (page.next === null) return heads;
    after = page.next;
  }
}

async function* entriesOf(store: Store, chain: ChainId): AsyncGenerator<ChainedEntry> {
  for (let from = 1; ; ) {
    const page = await store.readChain(chain, from, pageSize);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    from = last.sequence + 1;
  }
}

async function checkpointsOf(bodies: readonly string[]): Promise<readonly (Checkpoint | null)[]> {
  const { decodeCheckpoint } = await import("../governance/ledger/checkpoint.ts");
  return bodies.map((body) => decodeCheckpoint(Buffer.from(body)));
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError([`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function linesOf(
  { chains, entries, checkpoints, sealedUntil, faults }: LedgerReport,
  names: ReadonlyMap<string, string>,
): readonly string[] {
  const found = faults.map((fault) =>
    "chain" in fault
      ? `chain of ${names.get(fault.chain.namespaceId) ?? (fault.chain.namespaceId || "checkpoints")}, writer ${fault.chain.writerId}: entry ${fault.sequence} is ${faultWords[fault.kind]}`
      : `checkpoint ${fault.checkpoint}: ${fault.kind}`,
  );
  const seal =
    sealedUntil === null
      ? "no checkpoint vouches for the ends of the chains: entries cut off there would not be missed"
      : `checkpoints vouch for everything until ${new Date(sealedUntil).toISOString()}`;
  const verdict = faults.length === 0 ? "every entry is what was written" : `${faults.length} ${faults.length === 1 ? "fault" : "faults"}`;
  return [
    ...found,
    `${count(chains, "chain")}, ${count(entries, "good entry", "good entries")}, ${count(checkpoints, "checkpoint")}`,
    seal,
    verdict,
  ];
}

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;

const faultWords = {
  changed: "changed",
  removed: "removed",
  reordered: "not in its place",
  truncated: "gone, with all that came after it",
  rewritten: "not the one that a checkpoint knows",
} as const;
