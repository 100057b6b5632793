import { connect, createServer } from "node:net";
import { setTimeout } from "node:timers/promises";

const host = "127.0.0.1";

/** `wanted` if nobody listens there, else undefined. Port 0 asks the system for any free one. */
function tryPort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(undefined));
    probe.listen(wanted, host, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : undefined));
    });
  });
}

/** The first free port of `preferred`, else any free port. */
export async function freePort(preferred: readonly number[] = []): Promise<number> {
  for (const wanted of [...preferred, 0]) {
    const port = await tryPort(wanted);
    if (port !== undefined) return port;
  }
  throw new Error("no port is free on 127.0.0.1");
}

/** Resolves when something accepts connections on the port; rejects after `waitMs`. */
export async function accepting(port: number, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (!(await accepts(port))) {
    if (performance.now() > deadline) throw new Error(`nothing listens on 127.0.0.1:${port} after ${waitMs / 1000} s`);
    await setTimeout(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const answer = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}
