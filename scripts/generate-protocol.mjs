// Generates src/protocol/generated from the .proto files that @temporalio/core-bridge ships and from our own under proto/.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { stamp } from "./fingerprint.mjs";
import { protocolInputs, protocolStamp, root } from "./inputs.mjs";

const require = createRequire(join(root, "package.json"));
const packageFolder = (name) => dirname(require.resolve(`${name}/package.json`));
const temporal = join(packageFolder("@temporalio/core-bridge"), "sdk-core/crates/protos/protos");
const out = join(root, "src/protocol/generated");
const work = join(root, "node_modules/.cache/holdfast-protocol");

rmSync(out, { recursive: true, force: true });
mkdirSync(work, { recursive: true });

const fromRoot = (path) => relative(root, path).split("\\").join("/");
const config = {
  version: "v2",
  modules: [join(temporal, "api_upstream"), join(temporal, "testsrv_upstream"), join(temporal, "grpc"), join(root, "proto")].map(
    (path) => ({ path: fromRoot(path) }),
  ),
};
const template = {
  version: "v2",
  plugins: [
    {
      local: ["node", fromRoot(join(packageFolder("ts-proto"), "protoc-gen-ts_proto"))],
      out: fromRoot(out),
      // Plain readonly-friendly data, one-ofs as discriminated unions, int64 as number (every count and id is far below 2^53).
      opt: "esModuleInterop=true,forceLong=number,oneof=unions-value,useOptionals=none,outputServices=none,outputJsonMethods=false,outputPartialMethods=false,outputClientImpl=false,importSuffix=.ts,enumsAsLiterals=true,removeEnumPrefix=true,comments=false",
    },
  ],
};
writeFileSync(join(work, "buf.yaml"), JSON.stringify(config));
writeFileSync(join(work, "buf.gen.yaml"), JSON.stringify(template));

const buf = require.resolve("@bufbuild/buf/bin/buf");
const run = (...args) => execFileSync(process.execPath, [buf, ...args], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
run("generate", "--config", join(work, "buf.yaml"), "--template", join(work, "buf.gen.yaml"));
// The descriptors serve gRPC reflection and proto3 JSON.
run("build", "--config", join(work, "buf.yaml"), "-o", join(out, "descriptors.binpb"));

stamp(protocolStamp, protocolInputs());
