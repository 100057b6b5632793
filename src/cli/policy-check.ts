import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { type CliContext, exitCodes, type Finish, UsageError } from "./context.ts";
import { type FileProblem, loadPolicies, sentence } from "./policy-files.ts";
import { table } from "./table.ts";

type Options = { readonly json?: boolean; readonly publicKey?: readonly string[] };

export function addPolicyCheckCommand(policy: Command, context: CliContext, finish: Finish): void {
  policy
    .command("check")
    .summary("validate policy files")
    .description("Validates policy files and says what they hold. Exit code 1 when one of them cannot be used.")
    .argument("<file...>", "policy files, YAML or JSON")
    .option("--public-key <file...>", "Ed25519 public keys; each policy file must be signed by one of them, in FILE.sig")
    .option("--json", "print JSON")
    .action(async (files: readonly string[], { json, publicKey }: Options) => {
      const { snapshot, bundles, fileOf, problems: found } = await loadPolicies(files);
      const problems = [...found, ...(publicKey === undefined ? [] : await unsigned(files, publicKey))];
      const isUsable = snapshot !== null && problems.every(({ severity }) => severity === "warning");
      const summary = bundles.map(({ id, policy: { mode, rules, actions, limits, tests } }) => ({
        file: fileOf(id),
        mode,
        rules: rules.length,
        actions: actions.length,
        limits: limits.length,
        tests: tests.length,
      }));
      if (json === true)
        context.print(JSON.stringify({ ok: isUsable, snapshot: snapshot?.hash ?? null, files: summary, problems }, null, 2));
      else {
        for (const problem of problems) context.complain(sentence(problem));
        const rows = summary.map((one) => Object.values(one).map(String));
        context.print(table(["FILE", "MODE", "RULES", "ACTIONS", "LIMITS", "TESTS"], rows));
        if (isUsable) context.print(`snapshot ${snapshot.hash}`);
      }
      finish(isUsable ? exitCodes.ok : exitCodes.failure);
    });
}

async function unsigned(files: readonly string[], keyFiles: readonly string[]): Promise<readonly FileProblem[]> {
  const { checkSignature, readPublicKey } = await import("../governance/policy/signature.ts");
  const keys = keyFiles.map((file) => {
    const key = readPublicKey(read(file));
    if (!key.ok) throw new UsageError([`${file}: ${key.error}`]);
    return key.value;
  });
  return files.flatMap((file) => {
    const signature = readOptional(`${file}.sig`);
    const checked =
      signature === null ? { ok: false as const, error: `there is no ${file}.sig` } : checkSignature(readFileSync(file), signature, keys);
    return checked.ok ? [] : [{ file, severity: "error" as const, line: 1, column: 1, path: "", message: checked.error }];
  });
}

function read(file: string): string {
  const text = readOptional(file);
  if (text === null) throw new UsageError([`cannot read ${file}`]);
  return text;
}

function readOptional(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
