// Holds the arrows between folders, and finds what nothing uses. It reads the imports as text: a few milliseconds, no compiler.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Who may import whom. A file belongs to the longest part that its path starts with; a part may always import itself. */
const arrows: { readonly [part: string]: readonly string[] } = {
  "src/base": [],
  "src/protocol": ["src/base"],
  "src/execution": ["src/base", "src/protocol"],
  // How the languages of policies and of workflows are read.
  "src/language": ["src/base"],
  "src/governance": ["src/base", "src/protocol", "src/language", "src/governance/ledger"],
  // Apart, since the store computes the hashes of what it appends.
  "src/governance/ledger": ["src/base"],
  "src/dag": ["src/base", "src/protocol", "src/language"],
  // Who may do what.
  "src/access": ["src/base"],
  // The port; `src/store/contract.ts` is its test-suite.
  "src/store": ["src/base", "src/protocol", "src/execution", "src/governance/ledger"],
  "src/store/sqlite": ["src/base", "src/protocol", "src/execution", "src/governance/ledger", "src/store"],
  // A store around a store: it knows no adapter.
  "src/store/encryption": ["src/base", "src/governance/ledger", "src/store"],
  "src/telemetry": ["src/base"],
  // Certificates of ports, and what those of clients prove.
  "src/tls": ["src/base", "src/access", "src/telemetry"],
  "src/service": [
    "src/base",
    "src/protocol",
    "src/language",
    "src/execution",
    "src/governance",
    "src/governance/ledger",
    "src/dag",
    "src/access",
    "src/store",
    "src/telemetry",
  ],
  // Of the store, an edge knows the error by which it fails: unavailable on the wire, unlike a bug.
  "src/edge": ["src/base", "src/protocol", "src/access", "src/service", "src/telemetry", "src/store", "src/tls"],
  // It shows decisions, approvals, ledger entries, runs and what is wrong with a definition in full, and asks the policy in force, which is
  // a pure function.
  "src/edge/rest": [
    "src/base",
    "src/protocol",
    "src/language",
    "src/governance",
    "src/governance/ledger",
    "src/dag",
    "src/access",
    "src/service",
    "src/telemetry",
    "src/store",
    "src/tls",
  ],
  "src/config": ["src/base", "src/execution", "src/access"],
  "src/version.ts": [],
  "src/main.ts": ["src"],
  // Policies are checked, tested and explained, and the ledger in a file is verified, without a server.
  "src/cli": [
    "src/main.ts",
    "src/config",
    "src/base",
    "src/version.ts",
    "src/language",
    "src/governance",
    "src/governance/ledger",
    "src/store",
    "src/store/sqlite",
  ],
};

/** Every package of npm has one home, so that replacing it is that folder's work. The generated codecs are part of `src/protocol`. */
const homes: { readonly [dependency: string]: readonly string[] } = {
  "@marcbachmann/cel-js": ["src/language"],
  // The edge writes message fields past the codecs: a history is sent as it is stored, and reflection serves descriptors as they are.
  "@bufbuild/protobuf": ["src/protocol", "src/edge/temporal"],
  ajv: ["src/dag"],
  "ajv-formats": ["src/dag"],
  "better-sqlite3": ["src/store/sqlite"],
  commander: ["src/cli"],
  fastify: ["src/edge/rest"],
  jose: ["src/service"],
  pino: ["src/telemetry"],
  ws: ["src/edge/rest"],
  yaml: ["src/config", "src/language", "src/governance", "src/edge/rest"],
  zod: ["src/config", "src/edge/rest"],
};

type Import = { readonly from: string; readonly specifier: string };

/** Tests, benches, what they alone use (`sqlite.test-committer.ts`), and the store's contract, which is a test-suite. */
const isTest = (file: string): boolean => /\.(test|bench)[.-]/.test(file) || /^src\/store\/contract[./]/.test(file);
const files = (folder: string): readonly string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
        .map((name) => `${folder}/${name.split("\\").join("/")}`)
    : [];

const sources = files("src");
const specifierPattern =
  /^(?:import|export)\s(?:[^"';]*?\sfrom\s)?"([^"]+)"|\bimport\("([^"]+)"\)|\bnew URL\("(\.[^"]+\.ts)", import\.meta\.url\)/gm;
const importsOf = (file: string): readonly Import[] =>
  [...readFileSync(join(root, file), "utf8").matchAll(specifierPattern)].map((match) => ({
    from: file,
    specifier: match[1] ?? match[2] ?? match[3] ?? "",
  }));

const isOurs = ({ specifier }: Import): boolean => specifier.startsWith(".");
const target = ({ from, specifier }: Import): string => relative(root, resolve(root, dirname(from), specifier));
const isWithin = (file: string, part: string): boolean => file === part || file.startsWith(`${part}/`);

const longest = (parts: readonly string[], file: string): string | undefined =>
  parts.filter((part) => isWithin(file, part)).sort((a, b) => b.length - a.length)[0];
const partOf = (file: string): string | undefined => longest(Object.keys(arrows), file);

const productImports = sources.filter((file) => !isTest(file)).flatMap(importsOf);

describe("arrows", () => {
  test("every file has a place", () => {
    expect(sources.filter((file) => partOf(file) === undefined)).toEqual([]);
  });

  test.each(Object.entries(arrows))("%s imports only itself and %j", (part, allowed) => {
    const against = productImports
      .filter((one) => isOurs(one) && partOf(one.from) === part)
      .filter((one) => {
        const to = partOf(target(one));
        return to !== part && !allowed.some((name) => name === to || name === "src");
      })
      .map((one) => `${one.from} imports ${target(one)}`);
    expect(against).toEqual([]);
  });

  test("an edge does not know another edge", () => {
    const edgeOf = (file: string): string | undefined => /^src\/edge\/([^/]+)\//.exec(file)?.[1];
    const against = productImports
      .filter((one) => isOurs(one) && edgeOf(one.from) !== undefined && edgeOf(target(one)) !== undefined)
      .filter((one) => edgeOf(one.from) !== edgeOf(target(one)))
      .map((one) => `${one.from} imports ${target(one)}`);
    expect(against).toEqual([]);
  });

  test("the check sees a wrong arrow", () => {
    const wrong = { from: "src/execution/run.ts", specifier: "../store/sqlite/sqlite.ts" };
    expect(partOf(wrong.from)).toBe("src/execution");
    expect(partOf(target(wrong))).toBe("src/store/sqlite");
    expect(arrows["src/execution"]).not.toContain("src/store/sqlite");
  });
});

describe("pure folders", () => {
  test.each(["src/base", "src/protocol", "src/language", "src/execution", "src/governance", "src/dag"])("%s does no I/O", (part) => {
    const pure = new Set(["node:crypto", "node:buffer", "node:util"]);
    const against = productImports
      .filter(({ from, specifier }) => isWithin(from, part) && specifier.startsWith("node:") && !pure.has(specifier))
      .map(({ from, specifier }) => `${from} imports ${specifier}`);
    expect(against).toEqual([]);
  });

  test.each(["src/language", "src/execution", "src/governance", "src/dag"])("%s takes time and chance as arguments", (part) => {
    const against = sources
      .filter((file) => isWithin(file, part) && !isTest(file))
      .filter((file) => /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\brandomUUID\(/.test(readFileSync(join(root, file), "utf8")));
    expect(against).toEqual([]);
  });
});

test("no file is left that nothing imports", () => {
  const outside = ["test", "sim", "bench", "examples"].flatMap(files);
  const entries = [...sources.filter((file) => isTest(file)), ...outside, "src/main.ts", "src/cli/holdfast.ts"];
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file) || !existsSync(join(root, file))) return;
    reached.add(file);
    for (const one of importsOf(file)) if (isOurs(one)) visit(target(one));
  };
  for (const entry of entries) visit(entry);
  // The generator writes all messages of a service, whether we use them or not.
  expect(sources.filter((file) => !reached.has(file) && !isWithin(file, "src/protocol/generated"))).toEqual([]);
});

describe("the SDK", () => {
  const imports = files("sdk/src")
    .filter((file) => !isTest(file))
    .flatMap(importsOf);

  test("imports nothing of the server, and of npm only what it names as a peer", () => {
    const { peerDependencies } = JSON.parse(readFileSync(join(root, "sdk/package.json"), "utf8")) as { readonly peerDependencies: object };
    const against = imports
      .filter((one) => (isOurs(one) ? !isWithin(target(one), "sdk/src") : !one.specifier.startsWith("node:")))
      .filter(({ specifier }) => !Object.hasOwn(peerDependencies, specifier))
      .map(({ from, specifier }) => `${from} imports ${specifier}`);
    expect(against).toEqual([]);
  });

  test("what workflows import knows neither Node nor workers", () => {
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const one of imports.filter(({ from }) => from === file)) if (isOurs(one)) visit(target(one));
    };
    for (const entry of ["sdk/src/workflow.ts", "sdk/src/workflow-interceptors.ts"]) visit(entry);
    const foreign = imports.filter((one) => reached.has(one.from) && !isOurs(one)).map(({ specifier }) => specifier);
    expect([...new Set(foreign)].sort()).toEqual(["@temporalio/common", "@temporalio/workflow"]);
  });
});

describe("dependencies", () => {
  const packageName = (specifier: string): string =>
    specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/");
  const foreign = productImports.filter((one) => !isOurs(one) && !one.specifier.startsWith("node:"));

  test("Node's own modules are imported by their full name", () => {
    expect(foreign.filter(({ specifier }) => builtinModules.includes(specifier)).map(({ from }) => from)).toEqual([]);
  });

  test("each is imported from its home only", () => {
    const against = foreign
      .filter(({ from, specifier }) => !homes[packageName(specifier)]?.some((home) => isWithin(from, home)))
      .map(({ from, specifier }) => `${from} imports ${specifier}`);
    expect(against).toEqual([]);
  });

  test("each has a home, and what is installed is used", () => {
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      readonly dependencies: { readonly [name: string]: string };
    };
    const used = new Set(foreign.map(({ specifier }) => packageName(specifier)));
    expect(Object.keys(manifest.dependencies).filter((name) => !used.has(name))).toEqual([]);
  });
});
