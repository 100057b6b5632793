import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { hourMs } from "../base/time.ts";
import type { Config } from "../config/config.ts";
import { runCli } from "./cli.ts";

type Outcome = { readonly exitCode: number; readonly served: Config | null; readonly printed: string; readonly complaints: string };

async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const printed: string[] = [];
  const complaints: string[] = [];
  let served: Config | null = null;
  const exitCode = await runCli(args, {
    environment,
    print: (text) => printed.push(text),
    printBytes: (bytes) => printed.push(Buffer.from(bytes).toString()),
    complain: (text) => complaints.push(text),
    serve: async (config, announce) => {
      served = config;
      printed.push(announce({ address: "127.0.0.1:7233", httpAddress: config.httpPort === null ? null : "127.0.0.1:8081" }));
      return 0;
    },
  });
  return { exitCode, served, printed: printed.join("\n"), complaints: complaints.join("\n") };
}

const words = (line: string): readonly string[] => line.split(" ").filter((word) => word !== "");

describe("which server a command line asks for", () => {
  test.each<[string, object]>([
    ["dev", { db: ".holdfast/holdfast.db", port: 7233, httpPort: 8081, retention: 24 * hourMs, log: { level: "info", format: "pretty" } }],
    ["dev --db :memory: --port 0 --headless", { db: ":memory:", port: 0, httpPort: null }],
    [
      "dev --http-port 9000 --ip 0.0.0.0 --allow-unauthenticated",
      { httpPort: 9000, ip: "0.0.0.0", auth: { required: false, allowUnauthenticated: true } },
    ],
    ["server --allow-unauthenticated", { ip: "127.0.0.1", auth: { required: false, allowUnauthenticated: true } }],
    ["server --ip ::", { ip: "::", auth: { required: true } }],
    ["server start-dev --ip 0.0.0.0 --allow-unauthenticated", { ip: "0.0.0.0", auth: { required: false } }],
    [
      "dev --namespace a --namespace b=2h",
      {
        namespaces: [
          { name: "a", retention: null },
          { name: "b", retention: 2 * hourMs },
        ],
      },
    ],
    ["dev --search-attribute Id=Keyword --search-attribute Total=Double", { searchAttributes: { Id: "Keyword", Total: "Double" } }],
    ["dev --log-level debug", { log: { level: "debug", format: "pretty" } }],
    ["server", { auth: { required: true }, db: ".holdfast/holdfast.db", retention: 72 * hourMs, log: { level: "info", format: "json" } }],
    ["server --retention 7d --http-port off", { retention: 168 * hourMs, httpPort: null }],
    ["7300", { db: ":memory:", port: 7300, httpPort: null, timeSkipping: true }],
    ["7300 --enable-time-skipping extra", { port: 7300, timeSkipping: true }],
    ["server start-dev --port 7400 --headless", { db: ":memory:", port: 7400, httpPort: null, timeSkipping: false }],
    ["server start-dev --ui-port 8400 --db-filename x.db", { db: "x.db", httpPort: 8400 }],
    ["server start-dev --sqlite-pragma journal_mode=wal --log-level never", { log: { level: "silent", format: "pretty" } }],
    [
      "server start-dev --namespace orders",
      {
        namespaces: [
          { name: "default", retention: null },
          { name: "orders", retention: null },
        ],
      },
    ],
    [
      'server start-dev --dynamic-config-value history.longPollExpirationInterval="5s"',
      { longPoll: { poll: 60_000, history: 5_000, update: 5_000 } },
    ],
    ["server start-dev --dynamic-config-value frontend.enableServerVersionCheck=false", { db: ":memory:" }],
  ])("%s", async (line, expected) => {
    const { exitCode, served, complaints } = await run(words(line));
    expect(complaints).toBe("");
    expect(exitCode).toBe(0);
    expect(served).toMatchObject(expected);
  });

  test("as Temporal's testing package writes it", async () => {
    const { served } = await run(
      words(
        `server start-dev --port 7401 --namespace default --ip 127.0.0.1 --log-format pretty --log-level warn
         --dynamic-config-value frontend.enableServerVersionCheck=false --dynamic-config-value frontend.enableUpdateWorkflowExecution=true
         --dynamic-config-value limit.maxIDLength=50 --headless --search-attribute CustomIntField=Int`.replaceAll("\n", " "),
      ),
    );
    expect(served).toMatchObject({
      port: 7401,
      namespaces: [{ name: "default" }],
      httpPort: null,
      log: { level: "warn", format: "pretty" },
      limits: { idLength: 50 },
      searchAttributes: { CustomIntField: "Int" },
    });
  });

  test("flags win over environment, environment over the file", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "holdfast-cli-")), "holdfast.yaml");
    writeFileSync(file, "port: 1\nip: 10.0.0.1\ndb: file.db\n");
    const { served } = await run(["server", "--port", "3"], { HOLDFAST_CONFIG: file, HOLDFAST_PORT: "2", HOLDFAST_IP: "10.0.0.2" });
    expect(served).toMatchObject({ port: 3, ip: "10.0.0.2", db: "file.db" });
  });
});

describe("wrong usage is exit code 2 and starts nothing", () => {
  test.each<[string, NodeJS.ProcessEnv, string]>([
    ["dev --port abc", {}, 'holdfast: --port: expected a port number, 0 to 65535, not "abc"'],
    ["dev --http-port x", {}, 'holdfast: --http-port: expected a port number, 0 to 65535, or `off`, not "x"'],
    ["dev --search-attribute Total=Money", {}, "holdfast: --search-attribute Total: expected one of Text"],
    ["dev --namespace a=soon", {}, "holdfast: --namespace: expected a duration"],
    ["dev --log-level loud", {}, "holdfast: --log-level: expected one of trace"],
    ["server", { HOLDFAST_PROT: "1" }, "holdfast: HOLDFAST_PROT: unknown variable, did you mean `HOLDFAST_PORT`?"],
    ["server --config /no/such.yaml", {}, "holdfast: cannot read /no/such.yaml"],
    ["server start-dev --dynamic-config-value oops", {}, 'holdfast: --dynamic-config-value: expected KEY=VALUE, not "oops"'],
    [
      "server start-dev --dynamic-config-value limit.maxIDLength=many",
      {},
      "holdfast: --dynamic-config-value limit.maxIDLength: expected a whole number",
    ],
    ["dev --ip 0.0.0.0", {}, "holdfast: --ip: whoever reaches 0.0.0.0 could do everything"],
    ["dev", { HOLDFAST_IP: "::" }, "holdfast: HOLDFAST_IP: whoever reaches :: could do everything"],
    ["server start-dev --ip 192.168.1.2", {}, "holdfast: --ip: whoever reaches 192.168.1.2 could do everything"],
    ["server", { HOLDFAST_AUTH_REQUIRED: "false" }, "holdfast: with `auth.required: false`, whoever reaches this server may do everything"],
    ["devv", {}, "unknown command 'devv'"],
    ["dev --prot 1", {}, "Did you mean --port?"],
  ])("%s", async (line, environment, complaint) => {
    const { exitCode, served, complaints } = await run(words(line), environment);
    expect(complaints).toContain(complaint);
    expect(exitCode).toBe(2);
    expect(served).toBeNull();
  });
});

test.each([["--help"], ["dev --help"], ["server --help"], ["server start-dev --help"], ["version"]])(
  "%s prints and is exit code 0",
  async (line) => {
    const { exitCode, printed, served } = await run(words(line));
    expect(exitCode).toBe(0);
    expect(printed).toMatch(/holdfast/);
    expect(served).toBeNull();
  },
);

test("dev says where it listens and where data is", async () => {
  const { printed } = await run(["dev", "--db", ":memory:", "--namespace", "orders"]);
  expect(printed).toContain("127.0.0.1:7233");
  expect(printed).toContain("http://127.0.0.1:8081");
  expect(printed).toContain("in memory");
  expect(printed).toContain("open: whatever runs on this machine may do everything");
  expect(printed).toContain("orders");
});

test("server prints its configuration without secrets before it starts", async () => {
  const { printed } = await run(["server", "--db", "postgres://holdfast:hunter2@db/main"]);
  expect(printed).toContain("db: postgres://holdfast:***@db/main");
  expect(printed).not.toContain("hunter2");
  expect(printed).toMatch(/ready: gRPC 127\.0\.0\.1:7233, HTTP 127\.0\.0\.1:8081$/);
});
