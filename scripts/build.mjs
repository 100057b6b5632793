// Bundles the command, the library entry and the examples into dist/. Few files and lazy chunks keep the cold start short.
// @holdfast/sdk is compiled file for file into sdk/dist, with its declarations: workflow code and workers import it.
// With --types also emits the declarations of the library entry to dist/types.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { build } from "esbuild";
import { stamp } from "./fingerprint.mjs";
import { buildInputs, buildStamp, root } from "./inputs.mjs";

const out = join(root, "dist");
const inputs = buildInputs();
rmSync(out, { recursive: true, force: true });
mkdirSync(out);

/** `new URL("./file", import.meta.url)` with a data file: the file travels beside the chunks, and the URL with it. */
const dataFiles = {
  name: "data-files",
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, "utf8").replace(/new URL\("(\.[^"]+)", import\.meta\.url\)/g, (whole, relative) => {
        const file = resolve(dirname(path), relative);
        if (!file.startsWith(join(root, "src")) || !existsSync(file)) return whole;
        copyFileSync(file, join(out, basename(file)));
        return `new URL("./${basename(file)}", import.meta.url)`;
      });
      return { contents, loader: "ts" };
    });
  },
};

const server = existsSync(join(root, "src/main.ts")) ? { holdfast: "src/cli/holdfast.ts", main: "src/main.ts" } : {};

if (Object.keys(server).length > 0)
  await build({
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node20.3",
    format: "esm",
    sourcemap: true,
    sourcesContent: false,
    logLevel: "warning",
    entryPoints: server,
    outdir: out,
    splitting: true,
    chunkNames: "[name]-[hash]",
    // Whitespace and syntax only: names stay, so that stack traces can be read.
    minifySyntax: true,
    minifyWhitespace: true,
    // Native code stays where npm built it; the rest is bundled, which saves some 400 file look-ups on start.
    external: ["better-sqlite3"],
    // CommonJS packages inside an ESM bundle still call require for what Node itself provides.
    banner: { js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);' },
    plugins: [dataFiles],
  });

const compile = (project) =>
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", project], { cwd: root, stdio: "inherit" });

rmSync(join(root, "sdk/dist"), { recursive: true, force: true });
compile("sdk/tsconfig.json");
// Loaded only now, since bundling the examples' workflows takes the SDK's plugin.
const { buildExamples } = await import("../examples/build.mjs");
await buildExamples();
if (process.argv.includes("--types")) compile("tsconfig.types.json");

stamp(buildStamp, inputs);
