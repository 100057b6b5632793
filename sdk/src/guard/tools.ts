import type { Constraints } from "../decision.ts";

/** Why a tool may not be called; null when it may. */
export const toolRefusal = (tool: string, { toolchain }: Pick<Constraints, "toolchain">): string | null =>
  toolchain?.allowedTools === undefined || toolchain.allowedTools.includes(tool) ? null : `the tool \`${tool}\` is not allowed`;

/** Why a command may not be run; null when it may. An allowed command is the beginning: `git log` allows `git log --oneline`. */
export function commandRefusal(command: readonly string[], { toolchain }: Pick<Constraints, "toolchain">): string | null {
  const allowed = toolchain?.allowedCommands;
  const begins = (entry: string): boolean => {
    const words = entry.trim().split(/\s+/);
    return words.every((word, index) => command[index] === word);
  };
  return allowed === undefined || allowed.some(begins) ? null : `the command \`${command.join(" ")}\` is not allowed`;
}
