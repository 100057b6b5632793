// The steps scenario on Restate, on the same machine in the same run. Server and SDK come from npm, on demand.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Figure, median } from "../figure.ts";
import { type Child, cpuMs, freePort, messageFrom, residentMib, startChild, until } from "../process.ts";

const packages = {
  "@restatedev/restate-server": "1.7.12",
  "@restatedev/restate-sdk": "1.17.2",
  // The SDK needs a newer Node than Holdfast does.
  node: "24.9.0",
};
const installed = fileURLToPath(new URL("../../node_modules/.cache/holdfast-bench/restate", import.meta.url));
const readyMsMax = 60_000;

const shapes = [
  { sequences: 1, steps: 100 },
  { sequences: 200, steps: 5 },
] as const;
const kinds = ["regular", "local"] as const;

/** Steps per second, server CPU and bytes of each load; what the steps are is in restate-service.mjs. Returns nothing, and says why, where Restate cannot run. */
export async function benchRestate(setting: {
  readonly quick: boolean;
  readonly folder: string;
  readonly say: (text: string) => void;
  readonly skipped: (what: string, why: unknown) => void;
}): Promise<readonly Figure[]> {
  const { quick, folder, say, skipped } = setting;
  let peer: Peer;
  try {
    install();
    peer = await start(folder);
  } catch (error) {
    skipped("restate", error);
    return [];
  }
  const figures: Figure[] = [{ name: "restate: resident memory, idle", unit: "MiB", rounds: [residentMib(peer.server.pid)] }];
  for (const kind of kinds)
    for (const { sequences, steps } of shapes) {
      const round = () => load(peer, { kind, sequences, steps });
      await round();
      const rounds: Round[] = [];
      for (let index = 0; index < (quick ? 2 : 5); index++) rounds.push(await round());
      const name = `restate: ${sequences} × ${steps} ${kind}`;
      say(`${name}: ${Math.round(median(rounds.map(({ perSecond }) => perSecond)))} steps/s`);
      figures.push(
        { name: `${name}, steps`, unit: "/s", rounds: rounds.map(({ perSecond }) => perSecond) },
        { name: "  server CPU per step", unit: "ms", rounds: rounds.map(({ cpuMsEach }) => cpuMsEach) },
      );
    }
  figures.push({ name: "restate: resident memory after that", unit: "MiB", rounds: [residentMib(peer.server.pid)] });
  await peer.service.kill();
  await peer.server.stop();
  return figures;
}

function install(): void {
  const wanted = JSON.stringify({ private: true, dependencies: packages });
  if (existsSync(join(installed, ".ready"))) return;
  mkdirSync(installed, { recursive: true });
  writeFileSync(join(installed, "package.json"), wanted);
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: installed,
    stdio: ["ignore", 2, 2],
    // A dependency of the SDK would report the installation.
    env: { ...process.env, SCARF_ANALYTICS: "false" },
  });
  writeFileSync(join(installed, ".ready"), wanted);
}

type Peer = { readonly server: Child; readonly service: Child; readonly ingress: string };

async function start(folder: string): Promise<Peer> {
  const [ingressPort, adminPort, nodePort, servicePort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const base = join(installed, "node_modules");
  const server = startChild({
    file: join(base, `@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`),
    args: ["--base-dir", join(folder, "data")],
    env: {
      RESTATE_BIND_ADDRESS: `127.0.0.1:${nodePort}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${nodePort}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingressPort}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${adminPort}`,
      RESTATE_DISABLE_TELEMETRY: "true",
      DO_NOT_TRACK: "1",
    },
    log: join(folder, "server.log"),
  });
  const service = startChild({
    file: join(base, "node/bin/node"),
    args: [fileURLToPath(new URL("./restate-service.mjs", import.meta.url)), installed, String(servicePort)],
    env: { NODE_ENV: "production" },
    log: join(folder, "service.log"),
    channel: true,
  });
  await messageFrom(service);
  await until(() => post(`http://127.0.0.1:${adminPort}/deployments`, { uri: `http://127.0.0.1:${servicePort}` }), {
    everyMs: 200,
    waitMs: readyMsMax,
  });
  const ingress = `http://127.0.0.1:${ingressPort}`;
  await until(() => post(`${ingress}/Sequence/local`, 1), { everyMs: 200, waitMs: readyMsMax });
  return { server, service, ingress };
}

type Round = { readonly perSecond: number; readonly cpuMsEach: number };
type Load = { readonly kind: (typeof kinds)[number]; readonly sequences: number; readonly steps: number };

async function load({ ingress, server }: Peer, { kind, sequences, steps }: Load): Promise<Round> {
  const cpuBefore = cpuMs(server.pid);
  const begin = performance.now();
  await Promise.all(Array.from({ length: sequences }, () => post(`${ingress}/Sequence/${kind}`, steps)));
  const seconds = (performance.now() - begin) / 1000;
  const count = sequences * steps;
  return { perSecond: count / seconds, cpuMsEach: (cpuMs(server.pid) - cpuBefore) / count };
}

async function post(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
}
