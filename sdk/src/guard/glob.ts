/**
 * The patterns of policies (Go's `path.Match`): `*` any run of characters except `/`, `?` one of them, `[a-z]` and `[^x]` one character, `\`
 * takes the next as it is; over the whole text. A malformed pattern is a TypeError: what cannot be read allows nothing.
 */
export function globOf(pattern: string): (text: string) => boolean {
  const [first = "", ...rest] = chunksOf(pattern.trim());
  // As in Go, what stands between two stars is taken at the first place where it fits, for good: a look ahead does not go back.
  const runs = rest.map((chunk, index) => (index === rest.length - 1 ? `[^/]*${chunk}` : `(?=([^/]*?${chunk}))\\${index + 1}`));
  const expression = new RegExp(`^${first}${runs.join("")}$`, "su");
  return (text) => expression.test(text);
}

/** The expressions between the stars. */
function chunksOf(pattern: string): readonly string[] {
  const letters = [...pattern];
  const malformed = () => new TypeError(`\`${pattern}\` is no pattern`);
  if (letters.length === 0) throw malformed();
  const chunks = [""];
  const add = (expression: string): void => void chunks.push(`${chunks.pop()}${expression}`);
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at] ?? "";
    if (letter === "*") {
      // A run of stars says nothing more than one, and costs.
      while (letters[at + 1] === "*") at++;
      chunks.push("");
    } else if (letter === "?") add("[^/]");
    else if (letter === "[") {
      const end = letters.indexOf("]", at + 2);
      if (end < 0) throw malformed();
      const inner = letters.slice(at + 1, end).join("");
      if (!/^\^?(?:[\p{L}\p{N} ._~@:+](?:-[\p{L}\p{N} ._~@:+])?)+$/u.test(inner)) throw malformed();
      add(`[${inner}]`);
      at = end;
    } else if (letter === "\\") {
      const next = letters[++at];
      if (next === undefined) throw malformed();
      add(escaped(next));
    } else add(escaped(letter));
  }
  return chunks;
}

const escaped = (letter: string): string => letter.replace(/[\\^$.*+?()[\]{}|/]/u, "\\$&");
