// `npm run release [-- --dry-run]`: checks and builds what is committed, and puts a release together in release/: the package, a list of what it is
// made of (CycloneDX), and checksums. It publishes nothing. A dry run takes a working tree that is not clean and a registry that cannot be asked
// for known vulnerabilities, and says so.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./inputs.mjs";

const dryRun = process.argv.includes("--dry-run");
const out = join(root, "release");
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

const say = (text) => process.stdout.write(`release: ${text}\n`);
const fail = (text) => {
  process.stderr.write(`release: ${text}\n`);
  process.exit(1);
};

/** What only a release needs; a dry run goes on without. */
const require = (met, text) => {
  if (met) return;
  if (dryRun) say(`would stop here: ${text}`);
  else fail(text);
};

function run(what, command, args) {
  say(what);
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) fail(`${what} failed`);
}

function read(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 2 ** 20 });
  return { ok: status === 0, stdout, stderr };
}

function refuseUncommitted() {
  const { ok, stdout } = read("git", ["status", "--porcelain"]);
  if (!ok) fail("this is no git repository");
  require(stdout === "", `what is released is what is committed, and ${stdout.trim().split("\n").length} files differ from it`);
}

/** Known vulnerabilities of what users get. Null: the registry could not be asked. */
function audit() {
  const { stdout } = read(npm, ["audit", "--omit=dev", "--json"]);
  try {
    return JSON.parse(stdout).metadata?.vulnerabilities ?? null;
  } catch {
    return null;
  }
}

function refuseVulnerable() {
  say("known vulnerabilities of the dependencies");
  const found = audit();
  if (found === null) return require(false, "the registry cannot be asked for known vulnerabilities (npm audit)");
  say(`${found.total} known: ${found.critical} critical, ${found.high} high, ${found.moderate} moderate, ${found.low} low`);
  require(found.critical + found.high === 0, "a dependency has a vulnerability that is high or critical: npm audit --omit=dev");
}

function writeBillOfMaterials(version) {
  say("bill of materials");
  const { ok, stdout, stderr } = read(npm, ["sbom", "--sbom-format", "cyclonedx", "--sbom-type", "application", "--omit=dev"]);
  if (!ok) fail(`no bill of materials: ${stderr.trim()}`);
  const file = `holdfast-${version}.cdx.json`;
  writeFileSync(join(out, file), stdout);
  say(`${file}: ${JSON.parse(stdout).components.length} components`);
}

function pack() {
  say("package");
  const { ok, stdout, stderr } = read(npm, ["pack", "--json", "--ignore-scripts", "--pack-destination", out]);
  if (!ok) fail(`no package: ${stderr.trim()}`);
  const [{ filename, size, entryCount }] = JSON.parse(stdout);
  say(`${filename}: ${entryCount} files, ${size} bytes`);
}

/** In the form that `sha256sum --check` reads. */
function writeChecksums() {
  const lines = readdirSync(out)
    .sort()
    .map(
      (name) =>
        `${createHash("sha256")
          .update(readFileSync(join(out, name)))
          .digest("hex")}  ${name}\n`,
    );
  writeFileSync(join(out, "SHA256SUMS"), lines.join(""));
}

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
say(`${version}${dryRun ? ", a dry run" : ""}`);
refuseUncommitted();
refuseVulnerable();
run("generated code", npm, ["run", "setup"]);
run("types and style", npm, ["run", "check"]);
// Tests take minutes; a dry run may leave them out.
if (dryRun && process.argv.includes("--skip-tests")) say("tests are left out");
else run("tests", npm, ["test"]);
run("build", npm, ["run", "build:types"]);
rmSync(out, { recursive: true, force: true });
mkdirSync(out);
writeBillOfMaterials(version);
pack();
writeChecksums();
say(`in release/: ${readdirSync(out).join(", ")}`);
