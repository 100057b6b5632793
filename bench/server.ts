// The server under load: a process of its own on a real file, or one that somebody else runs.
import { once } from "node:events";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectRaw } from "./grpc.ts";
import { type Child, freePort, startChild, until } from "./process.ts";
import { getSystemInfo } from "./rpcs.ts";

export type Server = {
  readonly address: string;
  /** Null when it has no HTTP port, or is not ours. */
  readonly httpAddress: string | null;
  /** Null for a server that is not ours. */
  readonly process: Child | null;
  /** Orderly; afterwards the whole database is in its file. */
  stop(): Promise<void>;
};

const bin = fileURLToPath(new URL("../bin/holdfast.js", import.meta.url));
const readyMsMax = 60_000;

export type ServerOptions = {
  readonly cpuProf?: string | null;
  /** Source of the policy that is in force from the start; none by default. */
  readonly policy?: string;
  /** Master key that it encrypts its database with; none by default. */
  readonly encryptionKey?: string;
  /** Whether it has an HTTP port. */
  readonly http?: boolean;
  /** Further settings, as the environment has them. */
  readonly env?: { readonly [name: string]: string };
};

/** Starts `holdfast dev` on `folder/holdfast.db` with fsync on, as always. Resolves with the time from exec to the first RPC answered. */
export async function startServer(folder: string, options: ServerOptions = {}): Promise<{ server: Server; coldStartMs: number }> {
  const { cpuProf = null, policy, encryptionKey, http = false, env = {} } = options;
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const httpPort = http ? await freePort() : null;
  const profiling = cpuProf === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${cpuProf}`];
  const ports = ["--port", String(port), "--http-port", httpPort === null ? "off" : String(httpPort)];
  const governed = policy === undefined ? [] : ["--policy", written(policy, join(folder, "policy"))];
  const begin = performance.now();
  const child = startChild({
    file: process.execPath,
    args: [...profiling, bin, "dev", "--db", databaseOf(folder), ...ports, ...governed, "--log-level", "warn"],
    // The bench is one principal, and measures the server rather than what it allows one.
    env: {
      HOLDFAST_API_REQUESTS_PER_SECOND: "off",
      ...(encryptionKey === undefined ? {} : { HOLDFAST_ENCRYPTION_KEY: encryptionKey }),
      ...env,
    },
    log: join(folder, "server.log"),
  });
  await until(() => (env.HOLDFAST_AUTH_REQUIRED === "true" ? connects(port) : answers(address)), { everyMs: 2, waitMs: readyMsMax });
  const coldStartMs = performance.now() - begin;
  const httpAddress = httpPort === null ? null : `127.0.0.1:${httpPort}`;
  return { server: { address, httpAddress, process: child, stop: child.stop }, coldStartMs };
}

function written(policy: string, folder: string): string {
  const file = join(folder, "bench.json");
  mkdirSync(folder);
  writeFileSync(file, policy);
  return file;
}

async function answers(address: string): Promise<void> {
  const client = connectRaw(address);
  try {
    await client.call(getSystemInfo, {});
  } finally {
    client.close();
  }
}

/** Of a server that answers nobody who does not say who they are. */
async function connects(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
}

const databaseOf = (folder: string): string => join(folder, "holdfast.db");

/** Size of the database of a stopped server, KiB. */
export const databaseKib = (folder: string): number => statSync(databaseOf(folder)).size / 1024;
