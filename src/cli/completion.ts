import { Argument, type Command, Help } from "commander";
import type { CliContext } from "./context.ts";
import { oneLine } from "./table.ts";

/** A command as shells see it: the words that lead to it, and those that may follow. */
type Node = {
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly { readonly name: string; readonly summary: string; readonly takesValue: boolean }[];
};

export function addCompletionCommand(program: Command, context: CliContext): void {
  program
    .command("completion")
    .summary("print what a shell needs to complete commands and flags")
    .addArgument(new Argument("<shell>").choices(Object.keys(scripts)))
    .addHelpText(
      "after",
      `
Examples:
  source <(holdfast completion bash)                                          # in ~/.bashrc
  holdfast completion zsh > "\${fpath[1]}/_holdfast"
  holdfast completion fish > ~/.config/fish/completions/holdfast.fish`,
    )
    .action((shell: keyof typeof scripts) => context.print(scripts[shell](nodesOf(program, []))));
}

const help = new Help();

function nodesOf(command: Command, path: readonly string[]): readonly Node[] {
  const commands = help.visibleCommands(command);
  const node: Node = {
    path,
    commands: commands.map((one) => ({ name: one.name(), summary: oneLine(one.summary()) })),
    options: help
      .visibleOptions(command)
      .flatMap(({ long, description, required, optional }) =>
        typeof long === "string" ? [{ name: long, summary: oneLine(description), takesValue: required || optional }] : [],
      ),
  };
  return [node, ...commands.flatMap((one) => nodesOf(one, [...path, one.name()]))];
}

const wordsOf = ({ commands, options }: Node): string => [...commands, ...options].map(({ name }) => name).join(" ");
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Follows the words that name a command, and offers what comes next; where nothing does, files. */
const bash = (nodes: readonly Node[]): string => `_holdfast() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$command $word" in
${paths(nodes)}) command="$command $word" ;;
    esac
  done
  case "$command" in
${nodes.map((node) => `    ${quoted(prefixed(node.path))}) words=${quoted(wordsOf(node))} ;;`).join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _holdfast holdfast`;

const zsh = (nodes: readonly Node[]): string => `#compdef holdfast
_holdfast() {
  local command="" word
  local -a offered
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$command $word" in
${paths(nodes)}) command="$command $word" ;;
    esac
  done
  case "$command" in
${nodes.map((node) => `    ${quoted(prefixed(node.path))}) offered=(${described(node)}) ;;`).join("\n")}
  esac
  _describe holdfast offered || _files
}
if [ "$funcstack[1]" = _holdfast ]; then _holdfast "$@"; else compdef _holdfast holdfast; fi`;

const described = ({ commands, options }: Node): string =>
  [...commands, ...options].map(({ name, summary }) => quoted(`${name}:${summary.replaceAll(":", "\\:")}`)).join(" ");

const fish = (nodes: readonly Node[]): string =>
  [
    `function __holdfast_at
  set -l command ""
  for word in (commandline -opc)[2..-1]
    switch "$command $word"
      case ${nodes
        .slice(1)
        .map(({ path }) => quoted(prefixed(path)))
        .join(" ")}
        set command "$command $word"
    end
  end
  test "$command" = "$argv[1]"
end`,
    ...nodes.flatMap(({ path, commands, options }) => {
      const at = `complete -c holdfast -n '__holdfast_at "${prefixed(path)}"'`;
      return [
        ...commands.map(({ name, summary }) => `${at} -f -a ${name} -d ${fishQuoted(summary)}`),
        ...options.map(({ name, summary, takesValue }) => `${at} -l ${name.slice(2)}${takesValue ? " -r" : ""} -d ${fishQuoted(summary)}`),
      ];
    }),
  ].join("\n");

const fishQuoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** What tells commands from values of flags: ` approval`, ` approval list`. */
const prefixed = (path: readonly string[]): string => path.map((word) => ` ${word}`).join("");
const paths = (nodes: readonly Node[]): string =>
  `      ${nodes
    .slice(1)
    .map(({ path }) => quoted(prefixed(path)))
    .join("|")}`;

const scripts = { bash, zsh, fish } as const;
