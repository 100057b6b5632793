import { err, ok, type Result } from "../../base/result.ts";

export type Token = {
  readonly kind: "name" | "quoted-name" | "string" | "number" | "symbol" | "end";
  /** A string or quoted name without quotes and escapes; a name in lower and upper case as written; "" at the end. */
  readonly text: string;
  /** Of the first character, counted from 0. */
  readonly position: number;
  /** Where the text after the token begins. */
  readonly end: number;
};

const space = /\s*/y;
// Names may hold dots, as in `order.region`.
const name = /[A-Za-z_@\u0080-\uffff][\w@$.\u0080-\uffff]*/y;
const number = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])/y;
const symbol = /<=|>=|<>|!=|&&|\|\||[=<>(),]/y;
const strings = {
  "'": { quoted: /'([^'\\]*(?:(?:''|\\[\s\S])[^'\\]*)*)'/y, escaped: /\\[\s\S]|''/g },
  '"': { quoted: /"([^"\\]*(?:(?:""|\\[\s\S])[^"\\]*)*)"/y, escaped: /\\[\s\S]|""/g },
};
const quotedName = /`([^`]+)`/y;

/** The token that begins at or after `from`; refused with what is wrong there. */
export function readToken(text: string, from: number): Result<Token, { readonly message: string; readonly position: number }> {
  space.lastIndex = from;
  const position = from + (space.exec(text)?.[0].length ?? 0);
  const first = text[position];
  if (first === undefined) return ok({ kind: "end", text: "", position, end: position });
  if (first === "'" || first === '"') {
    const quoted = match(strings[first].quoted, text, position);
    if (quoted === null) return err({ message: `string ${first} has no end`, position });
    return ok({ kind: "string", text: withoutEscapes(quoted[1] ?? "", first), position, end: position + quoted[0].length });
  }
  if (first === "`") {
    const quoted = match(quotedName, text, position);
    if (quoted === null) return err({ message: "back-ticked name is empty or has no end", position });
    return ok({ kind: "quoted-name", text: quoted[1] ?? "", position, end: position + quoted[0].length });
  }
  for (const [kind, pattern] of plainTokens) {
    const found = match(pattern, text, position);
    if (found !== null) return ok({ kind, text: found[0], position, end: position + found[0].length });
  }
  return err({ message: `syntax error near ${JSON.stringify(text.slice(position, position + excerptLength))}`, position });
}

const plainTokens = [
  ["name", name],
  ["symbol", symbol],
  ["number", number],
] as const;
const excerptLength = 20;

function match(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position;
  return pattern.exec(text);
}

function withoutEscapes(text: string, quote: "'" | '"'): string {
  return text.replace(strings[quote].escaped, (escaped) => {
    const letter = escaped.slice(1);
    return controls.get(letter) ?? letter;
  });
}

// As MySQL has them; any other character stands for itself after a backslash.
const controls: ReadonlyMap<string, string> = new Map([
  ["0", "\0"],
  ["b", "\b"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["Z", "\x1a"],
]);
