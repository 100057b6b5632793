import type { Config } from "../config/config.ts";

/** What the commands need of the world around them. */
export type CliContext = {
  readonly environment: NodeJS.ProcessEnv;
  /** To stdout, one line or several. */
  print(text: string): void;
  /** To stdout, as they are. */
  printBytes(bytes: Uint8Array): void;
  /** To stderr. */
  complain(text: string): void;
  /** Runs a server until it is told to stop, and says the exit code. `announce` is printed once it answers. */
  serve(config: Config, announce: (addresses: Addresses) => string): Promise<number>;
};

/** `httpAddress` is null when there is no HTTP port. */
export type Addresses = { readonly address: string; readonly httpAddress: string | null };

export const exitCodes = { ok: 0, failure: 1, usage: 2 } as const;

/** What was asked cannot be understood: each sentence says one thing that is wrong. */
export class UsageError extends Error {
  readonly sentences: readonly string[];
  constructor(sentences: readonly string[]) {
    super(sentences.join("\n"));
    this.sentences = sentences;
  }
}

/** Told by a command what the process should exit with. */
export type Finish = (exitCode: number) => void;
