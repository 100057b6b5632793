import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { secondMs } from "../base/time.ts";
import type { Config } from "../config/config.ts";
import { type Addresses, exitCodes } from "./context.ts";

/** A server that answers. */
export type RunningServer = Addresses & { drain(): Promise<void>; stop(): Promise<void> };

export type ServeOptions = {
  readonly config: Config;
  start(config: Config): Promise<RunningServer>;
  /** Told once, when the server answers. */
  started(server: Addresses): void;
  complain(text: string): void;
  /** Calls back on each SIGINT and SIGTERM. */
  onSignal(listener: () => void): void;
};

/** Longer than any answer in flight should take: what is committed is safe, and what is not will be asked again. */
const drainMsMax = 30 * secondMs;

/**
 * Runs a server until the first signal, then drains and stops it. Resolves with the exit code: ok after an orderly stop, failure when it
 * could not start (told in one sentence) or when a second signal came while it drained.
 */
export async function serve({ config, start, started, complain, onSignal }: ServeOptions): Promise<number> {
  let server: RunningServer;
  try {
    if (config.db !== ":memory:") mkdirSync(dirname(config.db), { recursive: true });
    server = await start(config);
  } catch (error) {
    complain(`holdfast: ${startFailure(error)}`);
    return exitCodes.failure;
  }
  let signals = 0;
  const { first, second } = { first: deferred(), second: deferred() };
  onSignal(() => (signals++ === 0 ? first : second).resolve());
  started(server);
  await first.promise;
  return Promise.race([stopInOrder(server), second.promise.then(() => exitCodes.failure)]);
}

async function stopInOrder(server: RunningServer): Promise<number> {
  const patience = deferred();
  const timer = setTimeout(patience.resolve, drainMsMax);
  await Promise.race([server.drain(), patience.promise]);
  clearTimeout(timer);
  await server.stop();
  return exitCodes.ok;
}

function deferred() {
  let resolve = (): void => {};
  const promise = new Promise<void>((resolved) => {
    resolve = resolved;
  });
  return { promise, resolve };
}

/** What a person needs to hear; the rest of a start's failure is of no use to them. */
function startFailure(error: unknown): string {
  if (!(error instanceof Error)) return `cannot start: ${String(error)}`;
  // Node's words, which the gRPC library passes on inside its own.
  const [, code, host, port] = /listen (E[A-Z]+): .* (\S+):(\d+)/.exec(error.message) ?? [];
  if (code === "EADDRINUSE") return `port ${port} on ${host} is in use; stop what runs there, or choose another with --port or --http-port`;
  if (code === "EADDRNOTAVAIL") return `this machine has no address ${host}; choose another with --ip`;
  if (code === "EACCES") return `this user may not open port ${port}; choose one above 1023`;
  return `cannot start: ${error.message}`;
}
