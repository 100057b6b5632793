import type { Database } from "better-sqlite3";
import { assert, present } from "../../base/assert.ts";
import type { EpochMs } from "../../base/time.ts";
import { type ChainedEntry, type ChainId, entryHash, type LedgerEntry, type LedgerKind, noHash } from "../../governance/ledger/ledger.ts";
import type { LedgerQuery, Store } from "../store.ts";
import { Lru } from "./lru.ts";
import type { Names } from "./names.ts";
import { decodePageToken, foreignToken, pageOf } from "./page-token.ts";
import { decodeRunId, encodeRunId, type StoredRunId } from "./run-id.ts";

const headsCachedMax = 4096;

/** A sequence takes the low 36 bits of an entry's position (69 billion), the chain's number the 27 above (134 million). */
const sequenceMax = 2 ** 36 - 1;
const position = "((? << 36) | ?)";

/** Stored, so never to be changed. The schema knows that decisions are 1. */
const kindNumbers: { readonly [K in LedgerKind]: number } = {
  decision: 1,
  "approval-requested": 2,
  "approval-vote": 3,
  "approval-changed": 4,
  "approval-closed": 5,
  "policy-published": 6,
  "policy-rolled-back": 7,
  administration: 8,
  refusal: 9,
  checkpoint: 10,
  "breaker-changed": 11,
};
const kindNames = new Map(Object.entries(kindNumbers).map(([kind, number]) => [number, kind as LedgerKind]));

type Head = { readonly chain: number; readonly sequence: number; readonly hash: Uint8Array };
type EntryRow = Pick<ChainedEntry, "writerId" | "sequence" | "at" | "hash" | "body"> & {
  chain: number;
  namespace: number;
  kind: number;
  runId: StoredRunId | null;
};
type HeadRow = Head & { namespace: number; writerId: string };

const entryColumns = `l.position >> 36 AS chain, l.position & ${sequenceMax} AS sequence, c.writer_id AS writerId, l.namespace, l.at, l.kind,
  l.run_id AS runId, l.hash, l.body`;
const headColumns = `c.number AS chain, c.namespace, c.writer_id AS writerId, l.position & ${sequenceMax} AS sequence, l.hash`;
const headJoin = `JOIN ledger l ON l.position = (SELECT max(position) FROM ledger WHERE position BETWEEN c.number << 36 AND (c.number << 36) | ${sequenceMax})`;

export type Ledger = ReturnType<typeof openLedger>;

/** The ledger's chains, those of this store's writer and, to read, those of the writers before it. */
export function openLedger(db: Database, names: Names, writerId: string) {
  // INVARIANT: equal to the newest rows of this writer's chains, which only this connection writes.
  const heads = new Lru<Head>(headsCachedMax);

  const insert = db.prepare<[number, number, number, EpochMs, number, StoredRunId | null, Uint8Array, Uint8Array]>(
    `INSERT INTO ledger (position, namespace, at, kind, run_id, hash, body) VALUES (${position}, ?, ?, ?, ?, ?, ?)`,
  );
  const selectChain = db
    .prepare<[number, string], number>("SELECT number FROM ledger_chains WHERE namespace = ? AND writer_id = ?")
    .pluck();
  const insertChain = db
    .prepare<[number, string], number>("INSERT INTO ledger_chains (namespace, writer_id) VALUES (?, ?) RETURNING number")
    .pluck();
  const selectHead = db.prepare<[number], HeadRow>(`SELECT ${headColumns} FROM ledger_chains c ${headJoin} WHERE c.number = ?`);
  const selectHeads = db.prepare<[number, number], HeadRow>(
    `SELECT ${headColumns} FROM ledger_chains c ${headJoin} WHERE c.number > ? ORDER BY c.number LIMIT ?`,
  );
  const selectHeadsOf = db.prepare<[number, number, number], HeadRow>(
    `SELECT ${headColumns} FROM ledger_chains c ${headJoin} WHERE c.namespace = ? AND c.number > ? ORDER BY c.number LIMIT ?`,
  );
  const selectEntries = db.prepare<[number, number, number, number, number], EntryRow>(
    `SELECT ${entryColumns} FROM ledger l CROSS JOIN ledger_chains c ON c.number = l.position >> 36
     WHERE l.position BETWEEN ${position} AND ${position} ORDER BY l.position LIMIT ?`,
  );

  function headOf(namespaceId: string): Head {
    const cached = heads.get(namespaceId);
    if (cached !== undefined) return cached;
    const namespace = names.numberNamespace(namespaceId);
    const chain = selectChain.get(namespace, writerId) ?? present(insertChain.get(namespace, writerId), "number of the new chain");
    return selectHead.get(chain) ?? { chain, sequence: 0, hash: noHash };
  }

  const entryOf = ({ chain: _, namespace, kind, runId, ...entry }: EntryRow): ChainedEntry => ({
    ...entry,
    namespaceId: names.namespaceId(namespace),
    kind: present(kindNames.get(kind), `ledger kind ${kind}`),
    runId: runId === null ? null : decodeRunId(runId),
  });

  function read(query: LedgerQuery): Awaited<ReturnType<Store["readLedger"]>> {
    const { namespaceId, after, limit, since = Number.MIN_SAFE_INTEGER, until = Number.MAX_SAFE_INTEGER, kinds, runId } = query;
    const from = after === null ? null : entryPositionOf(after);
    // Of the two lower bounds the index is entered at one: at the later, or each page would begin with all pages before it.
    const earliest = Math.max(since, from?.[0] ?? since);
    const namespace = names.findNamespace(namespaceId);
    if (namespace === null || kinds?.length === 0) return { entries: [], next: null };
    const isOfActs = kinds !== undefined && !kinds.includes("decision");
    const index = runId !== undefined ? "ledger_by_run" : isOfActs ? "ledger_acts_by_time" : "ledger_by_time";
    const conditions = [
      "l.namespace = ? AND l.at >= ? AND l.at < ?",
      ...(from === null ? [] : [`(l.at, l.position) > (?, ${position})`]),
      ...(kinds === undefined ? [] : [`l.kind IN (${kinds.map((kind) => kindNumbers[kind]).join()})`]),
      ...(isOfActs ? ["l.kind <> 1"] : []),
      ...(runId === undefined ? [] : ["l.run_id = ?"]),
    ];
    const statement = db.prepare<(number | StoredRunId)[], EntryRow>(
      `SELECT ${entryColumns} FROM ledger l INDEXED BY ${index} CROSS JOIN ledger_chains c ON c.number = l.position >> 36
       WHERE ${conditions.join(" AND ")} ORDER BY l.at, l.position LIMIT ?`,
    );
    const run = runId === undefined ? [] : [encodeRunId(runId)];
    const rows = statement.all(namespace, earliest, until, ...(from ?? []), ...run, limit + 1);
    const { page, next } = pageOf(rows, limit, ({ at, chain, sequence }) => [at, chain, sequence]);
    return { entries: page.map(entryOf), next };
  }

  return {
    append(entry: LedgerEntry): void {
      const { namespaceId, at, kind, runId, body } = entry;
      const head = headOf(namespaceId);
      const sequence = head.sequence + 1;
      assert(sequence <= sequenceMax, "the chain is full");
      const hash = entryHash(head.hash, { namespaceId, at, kind, runId, body, writerId, sequence });
      const run = runId === null ? null : encodeRunId(runId);
      insert.run(head.chain, sequence, names.numberNamespace(namespaceId), at, kindNumbers[kind], run, hash, body);
      heads.set(namespaceId, { chain: head.chain, sequence, hash });
    },
    read,
    readChains({ namespaceId, after, limit }: Parameters<Store["readChains"]>[0]): Awaited<ReturnType<Store["readChains"]>> {
      const from = after === null ? 0 : chainPositionOf(after);
      const namespace = namespaceId === null ? null : names.findNamespace(namespaceId);
      if (namespaceId !== null && namespace === null) return { heads: [], next: null };
      const rows = namespace === null ? selectHeads.all(from, limit + 1) : selectHeadsOf.all(namespace, from, limit + 1);
      const { page, next } = pageOf(rows, limit, ({ chain }) => [chain]);
      return { heads: page.map(({ chain: _, namespace: of, ...head }) => ({ ...head, namespaceId: names.namespaceId(of) })), next };
    },
    readChain(chain: ChainId, fromSequence: number, limit: number): readonly ChainedEntry[] {
      const namespace = names.findNamespace(chain.namespaceId);
      const number = namespace === null ? undefined : selectChain.get(namespace, chain.writerId);
      return number === undefined ? [] : selectEntries.all(number, fromSequence, number, sequenceMax, limit).map(entryOf);
    },
    /** After a rollback: what was remembered of it is void. */
    forget: (): void => heads.clear(),
  };
}

function entryPositionOf(token: string): readonly [EpochMs, number, number] {
  const [at, chain, sequence, ...more] = decodePageToken(token);
  if (typeof at !== "number" || typeof chain !== "number" || typeof sequence !== "number" || more.length > 0) throw foreignToken();
  return [at, chain, sequence];
}

function chainPositionOf(token: string): number {
  const [chain, ...more] = decodePageToken(token);
  if (typeof chain !== "number" || more.length > 0) throw foreignToken();
  return chain;
}
