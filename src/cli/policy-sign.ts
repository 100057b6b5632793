import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { privateKeyIn } from "./key-files.ts";
import { loadPolicies, sentence } from "./policy-files.ts";

export function addPolicySignCommand(policy: Command, context: CliContext, finish: Finish): void {
  policy
    .command("sign")
    .summary("sign policy files")
    .description("Writes the Ed25519 signature of each policy file to FILE.sig, in base64. A file that cannot be used is not signed.")
    .argument("<file...>", "policy files")
    .requiredOption("--key <file>", "Ed25519 private key, PEM")
    .action(async (files: readonly string[], { key }: { readonly key: string }) => {
      const { signBundle } = await import("../governance/policy/signature.ts");
      const privateKey = await privateKeyIn(key);
      const { snapshot, problems } = await loadPolicies(files);
      if (snapshot === null) {
        for (const problem of problems) context.complain(sentence(problem));
        return finish(exitCodes.failure);
      }
      for (const file of files) {
        writeFileSync(`${file}.sig`, `${signBundle(readFileSync(file), privateKey)}\n`);
        context.print(`${file}.sig`);
      }
      finish(exitCodes.ok);
    });
}
