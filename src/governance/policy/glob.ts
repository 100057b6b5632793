/** A compiled pattern: whether it fits a whole text. */
export type Glob = { readonly pattern: string; readonly literal: boolean; fits(text: string): boolean };

type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "one" }
  | { readonly kind: "class"; readonly set: CharacterSet };
type CharacterSet = { readonly negated: boolean; readonly ranges: readonly (readonly [from: string, to: string])[] };

/**
 * The patterns of Go's `path.Match`, as the existing policy format has them: `*` any run of characters except `/`, `?` one character
 * except `/`, `[a-z]` and `[^x]` one character, `\` takes the next character as it is. Case-sensitive, over the whole text; spaces
 * around the pattern do not count. Null when the pattern is empty or malformed.
 */
export function compileGlob(written: string): Glob | null {
  const pattern = written.trim();
  if (pattern === "") return null;
  const chunks = chunksOf(pattern);
  if (chunks === null) return null;
  const [first = [], ...rest] = chunks;
  const only = textOf(first);
  if (rest.length === 0 && only !== null) return { pattern, literal: true, fits: (text) => text === only };
  // By far the most frequent pattern: `job.deploy.*`.
  if (rest.length === 1 && only !== null && rest[0]?.length === 0)
    return { pattern, literal: false, fits: (text) => text.startsWith(only) && !text.includes("/", only.length) };
  return { pattern, literal: false, fits: (text) => fitsChunks(first, rest, text) };
}

/** The parts between the stars, or null when the pattern is malformed. */
function chunksOf(pattern: string): readonly (readonly Part[])[] | null {
  const chunks: Part[][] = [[]];
  const letters = [...pattern];
  let at = 0;
  const take = (): string | undefined => letters[at++];
  for (let letter = take(); letter !== undefined; letter = take()) {
    const chunk = chunks.at(-1) ?? [];
    if (letter === "*") chunks.push([]);
    else if (letter === "?") chunk.push({ kind: "one" });
    else if (letter === "[") {
      const set = takeClass(() => take());
      if (set === null) return null;
      chunk.push({ kind: "class", set });
    } else {
      const text = letter === "\\" ? take() : letter;
      if (text === undefined) return null;
      const last = chunk.at(-1);
      if (last?.kind === "text") chunk[chunk.length - 1] = { kind: "text", text: last.text + text };
      else chunk.push({ kind: "text", text });
    }
  }
  return chunks;
}

/** Reads behind `[`, up to and including `]`. */
function takeClass(take: () => string | undefined): CharacterSet | null {
  let letter = take();
  const negated = letter === "^";
  if (negated) letter = take();
  const ranges: (readonly [string, string])[] = [];
  const character = (): string | null => (letter === "\\" ? (take() ?? null) : letter === undefined || letter === "-" ? null : letter);
  while (letter !== "]" || ranges.length === 0) {
    if (letter === "]") return null;
    const from = character();
    if (from === null) return null;
    letter = take();
    let to: string | null = from;
    if (letter === "-") {
      letter = take();
      if (letter === "]") return null;
      to = character();
      letter = take();
    }
    if (to === null) return null;
    ranges.push([from, to]);
  }
  return { negated, ranges };
}

function textOf(chunk: readonly Part[]): string | null {
  const [part, second] = chunk;
  if (part === undefined) return "";
  return second === undefined && part.kind === "text" ? part.text : null;
}

/**
 * Each chunk behind a star is taken at the first place where it fits: a later place could only help if the next star had to cross a `/`,
 * which no star may. So the time is at most the product of both lengths.
 */
function fitsChunks(first: readonly Part[], rest: readonly (readonly Part[])[], text: string): boolean {
  let at = endOf(first, text, 0);
  if (at < 0) return false;
  if (rest.length === 0) return at === text.length;
  for (const [index, chunk] of rest.entries()) {
    const isLast = index === rest.length - 1;
    if (isLast && chunk.length === 0) return !text.includes("/", at);
    let end = -1;
    for (let start = at; start <= text.length; start++) {
      end = endOf(chunk, text, start);
      if (end >= 0 && (!isLast || end === text.length)) break;
      end = -1;
      if (text[start] === "/") return false;
    }
    if (end < 0) return false;
    at = end;
  }
  return true;
}

/** Where the chunk ends when it begins at `start`, or -1 when it does not fit there. */
function endOf(chunk: readonly Part[], text: string, start: number): number {
  let at = start;
  for (const part of chunk) {
    if (part.kind === "text") {
      if (!text.startsWith(part.text, at)) return -1;
      at += part.text.length;
    } else {
      const code = text.codePointAt(at);
      if (code === undefined) return -1;
      const letter = String.fromCodePoint(code);
      if (part.kind === "one" ? letter === "/" : !isIn(part.set, code)) return -1;
      at += letter.length;
    }
  }
  return at;
}

const isIn = ({ negated, ranges }: CharacterSet, code: number): boolean =>
  ranges.some(([from, to]) => (from.codePointAt(0) ?? 0) <= code && code <= (to.codePointAt(0) ?? 0)) !== negated;
