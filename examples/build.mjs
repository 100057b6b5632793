// Builds the examples into dist/examples, and bundles their workflow code so that a worker starts without a compiler.
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { holdfastPlugin } from "@holdfast/sdk/worker";
import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(here, "../dist/examples");

/** File for file, as the sources are: what a module finds beside itself (a corpus, a bundle) it finds there too. */
const oneFileEach = {
  name: "one-file-each",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path }) => ({ path: path.replace(/\.ts$/, ".js"), external: true }));
  },
};

export async function buildExamples() {
  const sources = readdirSync(here, { recursive: true }).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  await build({
    entryPoints: sources.map((name) => join(here, name)),
    outbase: here,
    outdir: out,
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20.3",
    format: "esm",
    sourcemap: true,
    sourcesContent: false,
    logLevel: "warning",
    plugins: [oneFileEach],
  });
  cpSync(join(here, "research-agent/corpus"), join(out, "research-agent/corpus"), { recursive: true });
  cpSync(join(here, "order-fulfillment/orders.json"), join(out, "order-fulfillment/orders.json"));

  for (const workflows of sources.filter((name) => basename(name) === "workflows.ts")) {
    const workflowsPath = join(here, workflows);
    const usesSdk = readFileSync(workflowsPath, "utf8").includes("@holdfast/sdk/workflow");
    const plugins = usesSdk ? [holdfastPlugin()] : [];
    const { code } = await bundleWorkflowCode({ workflowsPath, plugins, logger: new DefaultLogger("WARN") });
    writeFileSync(join(out, dirname(workflows), "workflow-bundle.js"), code);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildExamples();
