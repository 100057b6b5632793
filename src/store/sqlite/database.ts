import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import Sqlite, { type Database } from "better-sqlite3";
import { StoreError } from "../store.ts";
import { removeUnusedQueues } from "./names.ts";
import { applicationId, migrate, requireCurrentSchema } from "./schema.ts";

const mib = 1024 * 1024;
const pageSizeBytes = 4096;
/** Pages in the write-ahead log before they are carried over to the database file. */
const checkpointPages = 4096;
/** The log is cut back to this size after a burst. */
const logBytesMax = 32 * mib;

/**
 * Opens the file (made if absent), takes it for this process alone and brings its schema up to date.
 *
 * The lock is SQLite's own exclusive file lock: the operating system drops it when the process dies, however it dies. The process id
 * beside it serves only the message for the second one. Alone, the log's index is in our memory instead of a shared file.
 *
 * `readOnly` takes an existing file in the same way and changes nothing that is stored in it.
 */
export function openDatabase({ path, cacheMib, readOnly }: { path: string; cacheMib: number; readOnly: boolean }): Database {
  const db = connect(path, readOnly);
  try {
    translating(path, () => (readOnly ? prepareReading(db, path) : prepareDatabase(db, path, cacheMib)));
  } catch (error) {
    db.close();
    throw error;
  }
  if (!db.memory) noteOwner(path);
  return db;
}

function connect(path: string, fileMustExist: boolean): Database {
  try {
    return new Sqlite(path, { timeout: 0, fileMustExist });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreError(`database \`${path}\` cannot be opened: ${reason}`, { cause: error });
  }
}

function prepareDatabase(db: Database, path: string, cacheMib: number): void {
  db.pragma("locking_mode = EXCLUSIVE");
  const isNew = db.prepare<[], number>("SELECT count(*) FROM sqlite_schema").pluck().get() === 0;
  if (!isNew && db.pragma("application_id", { simple: true }) !== applicationId) {
    throw new StoreError(`\`${path}\` is a database of another program`);
  }
  if (isNew) db.pragma(`page_size = ${pageSizeBytes}`);
  db.pragma("journal_mode = WAL");
  // FULL makes each commit wait for the disk. With NORMAL (the driver's default for a log) a power cut loses what was acknowledged.
  db.pragma("synchronous = FULL");
  db.pragma("fullfsync = ON"); // macOS: an fsync that reaches the platter; ignored elsewhere
  db.pragma(`wal_autocheckpoint = ${checkpointPages}`);
  db.pragma(`journal_size_limit = ${logBytesMax}`);
  db.pragma(`cache_size = -${cacheMib * 1024}`);
  // INVARIANT: all writing is in a transaction that starts as a writing one, which also takes the file lock here and keeps it.
  db.transaction(() => {
    migrate(db, path);
    removeUnusedQueues(db);
  }).immediate();
}

function prepareReading(db: Database, path: string): void {
  db.pragma("locking_mode = EXCLUSIVE");
  if (db.pragma("application_id", { simple: true }) !== applicationId) throw new StoreError(`\`${path}\` is a database of another program`);
  requireCurrentSchema(db, path);
  db.pragma("query_only = ON");
}

/** Gives the file up. SQLite carries the log over into it first; where it cannot (the disk is full), the log stays beside it and the next opening reads it. */
export function closeDatabase(db: Database, path: string): void {
  if (!db.open) return;
  // The note first: once the lock is free, the next owner writes its own.
  if (!db.memory) rmSync(ownerPath(path), { force: true });
  db.close();
}

export function databaseBytes(db: Database, path: string): number {
  if (db.memory) return Number(db.pragma("page_count", { simple: true })) * pageSizeBytes;
  return [path, `${path}-wal`].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Runs `work`; trouble with the file comes out as a StoreError that says what to do. A broken constraint is a bug and comes out as it is. */
export function translating<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Sqlite.SqliteError) || error.code.startsWith("SQLITE_CONSTRAINT")) throw error;
    throw new StoreError(messageOf(path, error), { cause: error });
  }
}

function messageOf(path: string, { code, message }: { code: string; message: string }): string {
  const [, kind] = code.split("_");
  switch (kind) {
    case "BUSY":
      return `database \`${path}\` is in use by ${ownerOf(path)}`;
    case "FULL":
      return `the disk of database \`${path}\` is full, nothing was written: free some space and try again`;
    case "IOERR":
      return `database \`${path}\` cannot be read or written (${code}): look at its disk`;
    case "NOTADB":
      return `\`${path}\` is not a database`;
    case "CORRUPT":
      return `database \`${path}\` is damaged (${message}): restore a backup`;
    default:
      return `database \`${path}\` cannot be used: ${message} (${code})`;
  }
}

const ownerPath = (path: string): string => `${path}.pid`;

function noteOwner(path: string): void {
  try {
    writeFileSync(ownerPath(path), `${process.pid}\n`);
  } catch {
    // The disk is full: the lock holds without the note.
  }
}

function ownerOf(path: string): string {
  try {
    const pid = Number.parseInt(readFileSync(ownerPath(path), "utf8"), 10);
    return pid > 0 ? `process ${pid}` : "another process";
  } catch {
    return "another process";
  }
}
