import { runCli } from "./cli.ts";

export type Outcome = {
  readonly exitCode: number;
  readonly printed: string;
  readonly bytesPrinted: Buffer;
  readonly complaints: string;
};

/** Runs a command that starts no server. */
export async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const printed: string[] = [];
  const bytesPrinted: Uint8Array[] = [];
  const complaints: string[] = [];
  const exitCode = await runCli(args, {
    environment,
    print: (text) => printed.push(text),
    printBytes: (bytes) => bytesPrinted.push(bytes),
    complain: (text) => complaints.push(text),
    serve: () => Promise.reject(new Error("this command serves nothing")),
  });
  return { exitCode, printed: printed.join("\n"), bytesPrinted: Buffer.concat(bytesPrinted), complaints: complaints.join("\n") };
}
