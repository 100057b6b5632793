// The rules of the bench in Rego, compiled to WebAssembly by `opa` and run by Open Policy Agent's package. A development dependency, loaded
// only when it is asked for.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Load, questionsOf, topicOf } from "../rules.ts";

type Opa = { loadPolicy(wasm: Uint8Array): Promise<{ evaluate(input: object): readonly { readonly result: unknown }[] }> };

/** Compiles in `folder`. Rejects when the package is not installed, or there is no `opa` to compile with. */
export async function openOpa(folder: string): Promise<Load> {
  const { default: opa } = (await import("@open-policy-agent/opa-wasm")) as unknown as { readonly default: Opa };
  try {
    execFileSync("opa", ["version"], { stdio: "ignore" });
  } catch {
    throw new Error("`opa`, which compiles policies for its WebAssembly package, is not on the PATH");
  }
  return async (set) => {
    const clause = (at: number): string =>
      set.kind === "labels"
        ? `allow if { input.n == "${at}"; input.env == "prod" }`
        : `allow if { input.topic == "${topicOf(at)}"; input.env == "prod" }`;
    const source = join(folder, `${set.kind}-${set.size}.rego`);
    const bundle = join(folder, `${set.kind}-${set.size}.tar.gz`);
    const clauses = Array.from({ length: set.size }, (_, at) => clause(at)).join("\n");
    writeFileSync(source, `package bench\nimport rego.v1\ndefault allow := false\n${clauses}\n`);
    execFileSync("opa", ["build", "-t", "wasm", "-e", "bench/allow", "-o", bundle, source]);
    const policy = await opa.loadPolicy(fileInTar(gunzipSync(readFileSync(bundle)), "/policy.wasm"));
    const questions = questionsOf(set);
    return { name: "opa", decide: (index) => policy.evaluate(questions[index % questions.length] ?? {})[0]?.result === true };
  };
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
