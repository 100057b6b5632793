import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { publicKeysIn } from "./key-files.ts";
import { type FileProblem, sentence } from "./policy-files.ts";
import { collect } from "./server-options.ts";

export function addPolicyVerifyCommand(policy: Command, context: CliContext, finish: Finish): void {
  policy
    .command("verify")
    .summary("check the signatures of policy files")
    .description("Checks that each policy file is signed, in FILE.sig, by one of the keys. Exit code 1 when one is not.")
    .argument("<file...>", "policy files")
    .requiredOption("--public-key <file>", "Ed25519 public key; one of these must have signed; repeatable", collect)
    .action(async (files: readonly string[], { publicKey }: { readonly publicKey: readonly string[] }) => {
      const problems = await signatureProblems(files, publicKey);
      for (const problem of problems) context.complain(sentence(problem));
      if (problems.length === 0) context.print(`${files.length} signed`);
      finish(problems.length === 0 ? exitCodes.ok : exitCodes.failure);
    });
}

/** What is wrong with the signatures of policy files. */
export async function signatureProblems(files: readonly string[], keyFiles: readonly string[]): Promise<readonly FileProblem[]> {
  const { checkSignature } = await import("../governance/policy/signature.ts");
  const keys = await publicKeysIn(keyFiles);
  return files.flatMap((file) => {
    const signature = readOptional(`${file}.sig`);
    const checked =
      signature === null ? { ok: false as const, error: `there is no ${file}.sig` } : checkSignature(readFileSync(file), signature, keys);
    return checked.ok ? [] : [{ file, severity: "error" as const, line: 1, column: 1, path: "", message: checked.error }];
  });
}

function readOptional(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
