import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { present } from "../base/assert.ts";
import type { Result } from "../base/result.ts";
import { type Config, type ConfigLayer, type ConfigValues, configPaths, defaultConfig, printable, resolveConfig } from "./config.ts";
import { environmentLayer, fileLayer } from "./sources.ts";

const flags = (values: ConfigValues): ConfigLayer => ({ values, nameOf: (path) => `--${path.join("-")}` });
const environment = (variables: NodeJS.ProcessEnv): ConfigLayer => unwrap(environmentLayer(variables));
const file = async (text: string): Promise<ConfigLayer> => unwrap(await fileLayer(written(text)));

function written(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "holdfast-config-")), "holdfast.yaml");
  writeFileSync(path, text);
  return path;
}

function unwrap<T>(result: Result<T, readonly string[]>): T {
  if (!result.ok) throw new Error(result.error.join("\n"));
  return result.value;
}

const resolved = (...layers: ConfigLayer[]): Config => unwrap(resolveConfig(layers));
const refusals = (...layers: ConfigLayer[]): readonly string[] => {
  const result = resolveConfig(layers);
  return result.ok ? [] : result.error;
};

test("without any source, the defaults", () => {
  expect(resolved()).toEqual(defaultConfig);
});

test("flags win over environment, environment over the file, the file over the defaults, key by key", async () => {
  const config = resolved(
    await file("port: 1\nhttpPort: 1\nip: 127.0.0.2\nlimits:\n  blobSizeError: 1MiB\n  idLength: 50"),
    environment({ HOLDFAST_PORT: "2", HOLDFAST_HTTP_PORT: "2", HOLDFAST_LIMITS_ID_LENGTH: "60" }),
    flags({ port: "3" }),
  );
  expect(config).toMatchObject({ port: 3, httpPort: 2, ip: "127.0.0.2", db: defaultConfig.db });
  expect(config.limits).toEqual({ ...defaultConfig.limits, blobSizeError: 2 ** 20, idLength: 60 });
});

describe("values are read as people write them", () => {
  test.each<[ConfigValues, Partial<Config>]>([
    [{ retention: "3d" }, { retention: 259_200_000 }],
    [{ retention: "1h30m" }, { retention: 5_400_000 }],
    [{ retention: 1_000 }, { retention: 1_000 }],
    [{ httpPort: "off" }, { httpPort: null }],
    [{ httpPort: null }, { httpPort: null }],
    [{ httpPort: "0" }, { httpPort: 0 }],
    [{ timeSkipping: "true" }, { timeSkipping: true }],
    [{ searchAttributes: { Customer: "keyword" } }, { searchAttributes: { Customer: "Keyword" } }],
    [{ namespaces: [{ name: "orders" }] }, { namespaces: [{ name: "orders", retention: null }] }],
    [{ namespaces: [{ name: "orders", retention: "48h" }] }, { namespaces: [{ name: "orders", retention: 172_800_000 }] }],
    [{ log: { level: "WARN" } }, { log: { level: "warn", format: "json" } }],
    [{ port: undefined }, { port: 7233 }],
    [
      { artifacts: { bytesMax: "1MiB", retentionAudit: "365d" } },
      { artifacts: { ...defaultConfig.artifacts, bytesMax: 2 ** 20, retentionAudit: 365 * 86_400_000 } },
    ],
    [{ api: { requestsPerSecond: "off" } }, { api: { ...defaultConfig.api, requestsPerSecond: null } }],
    [{ notify: { allowPrivate: "true" } }, { notify: { ...defaultConfig.notify, allowPrivate: true } }],
    [{ notify: { allowPrivate: ["hooks.internal"] } }, { notify: { ...defaultConfig.notify, allowPrivate: ["hooks.internal"] } }],
  ])("%j", (values, expected) => {
    expect(resolved(flags(values))).toMatchObject(expected);
  });

  test.each([
    [
      "HOLDFAST_NAMESPACES",
      "default, orders=48h",
      {
        namespaces: [
          { name: "default", retention: null },
          { name: "orders", retention: 172_800_000 },
        ],
      },
    ],
    ["HOLDFAST_SEARCH_ATTRIBUTES", "Customer=Keyword,Total=Double", { searchAttributes: { Customer: "Keyword", Total: "Double" } }],
    [
      "HOLDFAST_NOTIFY_CHANNELS",
      "ops=https://hooks.example.com/a?b=c,dev=http://dev.example.com",
      { notify: { channels: { ops: "https://hooks.example.com/a?b=c", dev: "http://dev.example.com" } } },
    ],
    ["HOLDFAST_NOTIFY_SIGNING_KEY", "s3cret", { notify: { signingKey: "s3cret" } }],
    ["HOLDFAST_POLICY_KEYS", "one.pem, two.pem", { policyKeys: ["one.pem", "two.pem"] }],
    ["HOLDFAST_CHECKPOINTS_INTERVAL", "15m", { checkpoints: { ...defaultConfig.checkpoints, interval: 900_000 } }],
    ["HOLDFAST_API_ALLOWED_HOSTS", "holdfast, holdfast.example", { api: { allowedHosts: ["holdfast", "holdfast.example"] } }],
    ["HOLDFAST_NOTIFY_ALLOW_PRIVATE", "true", { notify: { allowPrivate: true } }],
    ["HOLDFAST_NOTIFY_ALLOW_PRIVATE", "hooks.internal, localhost", { notify: { allowPrivate: ["hooks.internal", "localhost"] } }],
    ["HOLDFAST_LONG_POLL_UPDATE", "5s", { longPoll: { ...defaultConfig.longPoll, update: 5_000 } }],
    ["HOLDFAST_LIMITS_GRPC_RECEIVE_BYTES", "8MiB", { limits: { ...defaultConfig.limits, grpcReceiveBytes: 2 ** 23 } }],
  ] as const)("%s=%s", (name, value, expected) => {
    expect(resolved(environment({ [name]: value }))).toMatchObject(expected);
  });
});

describe("what is wrong is said with its source, key and expectation", () => {
  test.each<[ConfigValues, string]>([
    [{ port: "abc" }, '--port: expected a port number, 0 to 65535, not "abc"'],
    [{ port: 70_000 }, "--port: expected a port number, 0 to 65535, not 70000"],
    [{ log: { level: "loud" } }, '--log-level: expected one of trace, debug, info, warn, error, silent, not "loud"'],
    [{ retention: "soon" }, '--retention: expected a duration such as 30s, 12h or 3d, not "soon"'],
    [{ retention: -5 }, "--retention: expected a duration such as 30s, 12h or 3d, not -5"],
    [{ limits: { blobSizeError: "2MB" } }, '--limits-blobSizeError: expected a size such as 512KiB or 4MiB, not "2MB"'],
    [{ limits: { idLength: 0.5 } }, "--limits-idLength: expected a whole number above 0, not 0.5"],
    [{ limits: 5 }, "--limits: expected a mapping, not 5"],
    [
      { searchAttributes: { Total: "Money" } },
      '--searchAttributes-Total: expected one of Text, Keyword, Int, Double, Bool, Datetime, KeywordList, not "Money"',
    ],
    [{ notify: { channels: { ops: "ftp://x" } } }, "--notify-channels-ops: expected an http or https URL"],
    [{ notify: { allowPrivate: [1] } }, "--notify-allowPrivate: expected true, false or a list of hosts, not [1]"],
    [{ approvals: { notify: "ops" } }, "--approvals-notify: `ops` is not one of `notify.channels` (none)"],
    [{ notify: { chanels: {} } }, "--notify-chanels: unknown key, did you mean `channels`?"],
    [{ namespaces: [{ name: "" }] }, '--namespaces-0-name: expected a name, not ""'],
    [{ prot: 1 }, "--prot: unknown key, did you mean `port`?"],
    [{ limits: { blobSizeEror: 1 } }, "--limits-blobSizeEror: unknown key, did you mean `blobSizeError`?"],
    [{ zzzzzzzz: 1 }, "--zzzzzzzz: unknown key"],
  ])("%j", (values, sentence) => {
    expect(refusals(flags(values))).toEqual([sentence]);
  });

  test("the layer that gave the value is named, and every mistake is listed", async () => {
    const path = written("port: x\nretention: y\nlgo: {}");
    const errors = refusals(unwrap(await fileLayer(path)), environment({ HOLDFAST_PORT: "z" }));
    expect(errors).toEqual([
      'HOLDFAST_PORT: expected a port number, 0 to 65535, not "z"',
      `retention in ${path}: expected a duration such as 30s, 12h or 3d, not "y"`,
      `lgo in ${path}: unknown key, did you mean \`log\`?`,
    ]);
  });

  test("a variable that lists several things is named as a whole", () => {
    expect(refusals(environment({ HOLDFAST_NAMESPACES: "orders=soon" }))).toEqual([
      'HOLDFAST_NAMESPACES: expected a duration such as 30s, 12h or 3d, not "soon"',
    ]);
  });

  test.each([
    [{ HOLDFAST_PROT: "1" }, ["HOLDFAST_PROT: unknown variable, did you mean `HOLDFAST_PORT`?"]],
    [{ HOLDFAST_CONFIG: "x.yaml", PATH: "/bin" }, []],
    // A pod beside a Kubernetes service named "holdfast" sees these without anyone having set them.
    [{ HOLDFAST_SERVICE_HOST: "10.0.0.1", HOLDFAST_PORT: "tcp://10.0.0.1:7233", HOLDFAST_PORT_7233_TCP: "tcp://10.0.0.1:7233" }, []],
  ])("%j", (variables, sentences) => {
    const layer = environmentLayer(variables);
    expect(layer.ok ? [] : layer.error).toEqual(sentences);
  });

  test.each([
    ["a: b: c", "is not valid YAML"],
    ["- 1", "expected a mapping of settings"],
  ])("a file with %j", async (text, problem) => {
    const layer = await fileLayer(written(text));
    expect(layer.ok ? "" : layer.error[0]).toContain(problem);
  });

  test("a file that is not there", async () => {
    const layer = await fileLayer("/no/such/holdfast.yaml");
    expect(layer.ok ? "" : layer.error[0]).toMatch(/^cannot read \/no\/such\/holdfast\.yaml: ENOENT/);
  });
});

describe("the printed configuration", () => {
  test("has a line for each key, and reads back as itself", async () => {
    const config = resolved(
      flags({ httpPort: null, retention: "36h", namespaces: [{ name: "a" }], searchAttributes: { Total: "Double" } }),
    );
    const text = printable(config);
    expect(text.split("\n")).toHaveLength(configPaths.length);
    const lines: string[] = [];
    let above: readonly string[] = [];
    for (const line of text.split("\n").sort()) {
      const [, path = "", value = ""] = /^([\w.]+): (.*)$/.exec(line) ?? [];
      const groups = path.split(".");
      const key = groups.pop();
      const indented = (depth: number, said: string) => lines.push(`${"  ".repeat(depth)}${said}`);
      for (const [depth, group] of groups.entries())
        if (above.slice(0, depth + 1).join(".") !== groups.slice(0, depth + 1).join(".")) indented(depth, `${group}:`);
      indented(groups.length, `${key}: ${value}`);
      above = groups;
    }
    const yaml = lines.join("\n");
    expect(resolved(await file(yaml))).toEqual(config);
  });

  test("hides a password", () => {
    const line = present(printable(resolved(flags({ db: "postgres://holdfast:hunter2@db/main" }))).split("\n")[0], "first line");
    expect(line).toBe("db: postgres://holdfast:***@db/main");
  });
});

test("the printed configuration hides where channels lead, and the signing key", () => {
  const lines = printable(
    resolved(flags({ notify: { channels: { ops: "https://hooks.example.com/T0/B0/s3cret" }, signingKey: "s3cret" } })),
  );
  expect(lines).toContain('notify.channels: {"ops":"https://hooks.example.com/***"}\nnotify.signingKey: ***');
  expect(lines).not.toContain("s3cret");
});

test("the printed configuration hides the secrets of endpoints", () => {
  const endpoint = {
    taskQueues: "job.a",
    url: "https://e.example.com/t0ken",
    secret: "whsec_s3cret",
    headers: { authorization: "s3cret" },
  };
  const lines = printable(resolved(flags({ push: { endpoints: { e: endpoint } } })));
  expect(lines).toContain('"secret":"***"');
  expect(lines).toContain('"url":"https://e.example.com/***","headers":["authorization"]');
  expect(lines).not.toMatch(/s3cret|t0ken/);
});

test("docs/configuration.md has each key with its default", () => {
  const docs = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  const rows = [...docs.matchAll(/^\| `([\w.]+)` \| `([^`]+)` \|/gm)].map(([, key, value]) => `${key}: ${value}`);
  expect(rows.sort()).toEqual(printable(defaultConfig).split("\n").sort());
});
