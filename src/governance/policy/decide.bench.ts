import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Action, actionOf } from "../action.ts";
import { inputOfValues } from "../action-input.ts";
import { decide } from "./decide.ts";
import { snapshotFrom } from "./policy.test-kit.ts";

/**
 * Decisions per second and how long one takes: `npx tsx src/governance/policy/decide.bench.ts [--peers]`.
 *
 * Two sets of rules, at 1, 100, 1,000 and 10,000 of them. "topics": each rule names a topic of its own and a label, as policies of packs do, and
 * actions ask for all of them in turn. "labels": no rule names a topic, so that no index helps, and every tenth action runs through all of
 * them. "cel" is one rule per topic with a condition over the input.
 *
 * With `--peers`, the first two sets also in Cedar and Open Policy Agent, installed into a temporary folder. They decide allow or deny
 * over the same attributes; Cedar's policies have no order, and OPA's are written with one rule per clause.
 */
const sizes = [1, 100, 1_000, 10_000];
const measuredMs = 700;
/** Of single decisions, for the percentiles: the clock costs about 50 ns. */
const samplesMax = 200_000;

type Engine = { readonly name: string; readonly decide: (index: number) => boolean };
type Set = "topics" | "labels" | "cel";

const actions = (set: Set, size: number): readonly Action[] =>
  Array.from({ length: Math.min(size, 1_000) }, (_, index) => {
    const at = Math.floor((index * size) / Math.min(size, 1_000));
    return actionOf({
      topic: set === "labels" ? "job.deploy" : `job.t${at}`,
      labels: new Map([
        ["env", "prod"],
        ["n", set === "labels" && index % 10 === 9 ? "none" : String(at)],
      ]),
      capability: "deploy.apply",
      workflowId: `wf-${index}`,
      input: inputOfValues([{ amount: 1_500, country: "DE" }]),
    });
  });

const rule = (set: Set, at: number): object =>
  set === "labels"
    ? { id: `r${at}`, decision: "allow", match: { labels: { n: String(at), env: "prod" } } }
    : {
        id: `r${at}`,
        decision: "allow",
        match: { topics: [`job.t${at}`], labels: { env: "prod" } },
        ...(set === "cel" ? { when: 'input.amount > 1000 && input.country in ["DE", "FR"]' } : {}),
      };

function holdfast(set: Set, size: number): Engine {
  const asked = actions(set, size);
  const started = performance.now();
  const snapshot = snapshotFrom(JSON.stringify({ rules: Array.from({ length: size }, (_, at) => rule(set, at)) }));
  const loadMs = performance.now() - started;
  return {
    name: `holdfast (read and compiled in ${loadMs.toFixed(0)} ms)`,
    decide: (index) => decide(snapshot, asked[index % asked.length] ?? actionOf({})).effect === "ALLOW",
  };
}

/** What the peers are asked, as plain data. */
const facts = (set: Set, size: number) =>
  actions(set, size).map(({ topic, labels, capability }) => ({
    topic,
    capability,
    env: labels.get("env") ?? "",
    n: labels.get("n") ?? "",
  }));

type Cedar = {
  preparsePolicySet(id: string, policies: { readonly staticPolicies: string }): { readonly type: string };
  statefulIsAuthorized(call: object): { readonly response?: { readonly decision: string } };
};

function cedar(library: Cedar, set: Set, size: number): Engine {
  const condition = (at: number): string =>
    set === "labels"
      ? `permit(principal, action, resource) when { context.n == "${at}" && context.env == "prod" };`
      : `permit(principal, action, resource == Topic::"job.t${at}") when { context.env == "prod" };`;
  const id = `${set}-${size}`;
  const started = performance.now();
  const parsed = library.preparsePolicySet(id, { staticPolicies: Array.from({ length: size }, (_, at) => condition(at)).join("\n") });
  if (parsed.type !== "success") throw new Error(JSON.stringify(parsed));
  const loadMs = performance.now() - started;
  const calls = facts(set, size).map(({ topic, env, n }) => ({
    principal: { type: "User", id: "ann" },
    action: { type: "Action", id: "run" },
    resource: { type: "Topic", id: topic },
    context: { env, n },
    preparsedPolicySetId: id,
    entities: [],
  }));
  return {
    name: `cedar-wasm (parsed in ${loadMs.toFixed(0)} ms)`,
    decide: (index) => library.statefulIsAuthorized(calls[index % calls.length] ?? {}).response?.decision === "allow",
  };
}

type Opa = { loadPolicy(wasm: Buffer): Promise<{ evaluate(input: object): readonly { readonly result: unknown }[] }> };

async function opa(library: Opa, set: Set, size: number, folder: string): Promise<Engine> {
  const clause = (at: number): string =>
    set === "labels"
      ? `allow if { input.n == "${at}"; input.env == "prod" }`
      : `allow if { input.topic == "job.t${at}"; input.env == "prod" }`;
  const source = join(folder, `${set}-${size}.rego`);
  const bundle = join(folder, `${set}-${size}.tar.gz`);
  writeFileSync(
    source,
    `package bench\nimport rego.v1\ndefault allow := false\n${Array.from({ length: size }, (_, at) => clause(at)).join("\n")}\n`,
  );
  execFileSync("opa", ["build", "-t", "wasm", "-e", "bench/allow", "-o", bundle, source]);
  const policy = await library.loadPolicy(fileInTar(gunzipSync(readFileSync(bundle)), "/policy.wasm"));
  const inputs = facts(set, size);
  return { name: "opa-wasm", decide: (index) => policy.evaluate(inputs[index % inputs.length] ?? {})[0]?.result === true };
}

/** A tar archive is headers of 512 bytes, each with a name and an octal size, followed by the file in blocks of 512. */
function fileInTar(tar: Buffer, name: string): Buffer {
  for (let at = 0; at + 512 <= tar.length; ) {
    const bytes = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8) || 0;
    if (tar.toString("latin1", at, at + 100).replace(/\0.*$/s, "") === name) return tar.subarray(at + 512, at + 512 + bytes);
    at += 512 + Math.ceil(bytes / 512) * 512;
  }
  throw new Error(`${name} is not in the bundle`);
}

function measure({ name, decide }: Engine, label: string): void {
  const until =
    (ms: number): ((from: number) => boolean) =>
    (from) =>
      performance.now() - from < ms;
  let index = 0;
  let allowed = 0;
  for (const started = performance.now(), warm = until(measuredMs / 3); warm(started); ) if (decide(index++)) allowed++;
  const took: number[] = [];
  index = 0;
  const started = performance.now();
  for (const open = until(measuredMs); open(started); ) for (let many = 0; many < 32; many++) if (decide(index++)) allowed++;
  const perSecond = (index / (performance.now() - started)) * 1_000;
  for (const from = performance.now(), open = until(measuredMs); open(from) && took.length < samplesMax; ) {
    const before = process.hrtime.bigint();
    decide(index++);
    took.push(Number(process.hrtime.bigint() - before) / 1_000);
  }
  took.sort((a, b) => a - b);
  const at = (share: number): string => `${(took[Math.floor(took.length * share)] ?? 0).toFixed(2)} µs`;
  const rate = `${Math.round(perSecond).toLocaleString("en")}/s`;
  console.log(
    `${label.padEnd(16)} ${rate.padStart(14)}  p50 ${at(0.5).padStart(10)}  p99 ${at(0.99).padStart(10)}  ${name}${allowed === 0 ? " (nothing allowed!)" : ""}`,
  );
}

function installed(): NodeJS.Require {
  const folder = join(tmpdir(), "holdfast-bench-peers");
  if (!existsSync(join(folder, "node_modules"))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), "{}");
    const packages = ["@cedar-policy/cedar-wasm@4.13.0", "@open-policy-agent/opa-wasm@1.10.0"];
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--silent", ...packages], {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return createRequire(join(folder, "package.json"));
}

function hasOpa(): boolean {
  try {
    execFileSync("opa", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const withPeers = process.argv.includes("--peers");
const require = withPeers ? installed() : null;
const canBuildOpa = withPeers && hasOpa();
for (const set of ["topics", "labels", "cel"] as const)
  for (const size of sizes) {
    const label = `${set} ${size.toLocaleString("en")}`;
    measure(holdfast(set, size), label);
    if (require === null || set === "cel") continue;
    measure(cedar(require("@cedar-policy/cedar-wasm/nodejs") as Cedar, set, size), label);
    if (canBuildOpa) measure(await opa(require("@open-policy-agent/opa-wasm") as Opa, set, size, tmpdir()), label);
  }
if (withPeers && !canBuildOpa)
  console.log("opa-wasm: not measured, it needs policies compiled by `opa`, and there is no `opa` on the PATH");
