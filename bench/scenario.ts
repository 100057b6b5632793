import type { Figure } from "./figure.ts";
import type { PeerName } from "./options.ts";
import { type Server, startServer } from "./server.ts";

/** Runs a load and returns what it measured. It starts and stops all that it needs. */
export type Scenario = (setting: Setting) => Promise<readonly Figure[]>;

export type Setting = {
  /** A server that runs already; null to start our own. */
  readonly address: string | null;
  readonly quick: boolean;
  readonly cpuProf: string | null;
  readonly peers: readonly PeerName[];
  /** A new empty folder. */
  folder(name: string): string;
  /** Tells the person who waits. */
  say(text: string): void;
  /** Notes beside the figures that something asked for was not measured, and why. */
  skipped(what: string, why: unknown): void;
};

/** The server to load: the given one, or our own on a fresh file in `folder`. */
export async function serverFor({ address, cpuProf }: Setting, folder: string): Promise<Server> {
  if (address !== null) return { address, httpAddress: null, process: null, stop: async () => {} };
  return (await startServer(folder, { cpuProf })).server;
}
