/**
 * The patterns of policies (Go's `path.Match`): `*` any run of characters except `/`, `?` one of them, `[a-z]` and `[^x]` one character, `\`
 * takes the next as it is; over the whole text. A malformed pattern is a TypeError: what cannot be read allows nothing.
 */
export function globOf(pattern: string): (text: string) => boolean {
  const expression = new RegExp(`^${[...partsOf(pattern.trim())].join("")}$`, "su");
  return (text) => expression.test(text);
}

function* partsOf(pattern: string): Iterable<string> {
  const letters = [...pattern];
  const malformed = () => new TypeError(`\`${pattern}\` is no pattern`);
  if (letters.length === 0) throw malformed();
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at] ?? "";
    if (letter === "*") {
      // A run of stars says nothing more than one, and costs.
      while (letters[at + 1] === "*") at++;
      yield "[^/]*";
    } else if (letter === "?") yield "[^/]";
    else if (letter === "[") {
      const end = letters.indexOf("]", at + 2);
      if (end < 0) throw malformed();
      const inner = letters.slice(at + 1, end).join("");
      if (!/^\^?(?:[\p{L}\p{N} ._~@:+](?:-[\p{L}\p{N} ._~@:+])?)+$/u.test(inner)) throw malformed();
      yield `[${inner}]`;
      at = end;
    } else if (letter === "\\") {
      const next = letters[++at];
      if (next === undefined) throw malformed();
      yield escaped(next);
    } else yield escaped(letter);
  }
}

const escaped = (letter: string): string => letter.replace(/[\\^$.*+?()[\]{}|/]/u, "\\$&");
