import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
} from "yaml";
import { nearest } from "../base/nearest.ts";

/** Something wrong with a policy text, at a place that an editor can jump to (both from 1). A warning leaves the policy usable. */
export type Problem = {
  readonly severity: "error" | "warning";
  readonly line: number;
  readonly column: number;
  /** Where in the document: `rules[2].match.topics`. Empty for the document itself. */
  readonly path: string;
  readonly message: string;
};

/** A node of the document that is being read, and where it stands. */
export type Place = {
  readonly node: Node | null;
  readonly path: string;
  readonly depth: number;
  readonly isAliased: boolean;
  readonly reading: Reading;
};

/** Turns a node into a value; or reports what is wrong, and returns undefined. */
export type Reader<T> = (at: Place) => T | undefined;
export type ReadBy<R> = R extends Reader<infer T> ? T : never;

type Reading = {
  readonly lines: LineCounter;
  readonly problems: Problem[];
  readonly resolve: (node: Node) => Node | null;
  visits: number;
  aliasVisits: number;
};

/** Nodes of a document, and those that are reached through aliases, which unfold aliases of aliases into more than anybody means. */
const visitsMax = 500_000;
const aliasVisitsMax = 100_000;
const problemsMax = 100;
/** As deep as bodies of JSON may be: whoever follows a value to its end later follows it by recursion. */
const nestingMax = 200;
const nestedTooDeeply = `the document is nested more than ${nestingMax} times`;

/** Reads YAML, or JSON, which is YAML as well. The value is null when there is an error among the problems. */
export function readDocument<T>(text: string, read: Reader<T>): { readonly value: T | null; readonly problems: readonly Problem[] } {
  try {
    return readNodes(text, read);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // The call stack was too short: brackets in brackets, or an alias inside of what it stands for.
    const problem: Problem = { severity: "error", line: 1, column: 1, path: "", message: nestedTooDeeply };
    return { value: null, problems: [problem] };
  }
}

function readNodes<T>(text: string, read: Reader<T>): { readonly value: T | null; readonly problems: readonly Problem[] } {
  const lines = new LineCounter();
  // The library compares each key with every other one of its mapping, and looks for what an alias stands for in the whole document.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const { meant, repeated } = survey(document);
  const problems: Problem[] = [];
  const reading: Reading = {
    lines,
    problems,
    resolve: (node) => (isAlias(node) ? (meant.get(node) ?? null) : node),
    visits: 0,
    aliasVisits: 0,
  };
  const root: Place = { node: document.contents, path: "", depth: 0, isAliased: false, reading };
  for (const { message, pos } of document.errors)
    report(root, /call stack/.test(message) ? nestedTooDeeply : firstSentence(message), { offset: pos[0] });
  for (const { range } of repeated) report(root, "map keys must be unique", { offset: range?.[0] ?? 0 });
  const value = problems.length > 0 ? undefined : read(root);
  return { value: value === undefined || hasErrors(problems) ? null : value, problems };
}

/** What aliases stand for, which is the newest node before them with their name, and keys that a mapping has had before. */
function survey(document: Document): { readonly meant: ReadonlyMap<Alias, Node>; readonly repeated: readonly Scalar[] } {
  const anchored = new Map<string, Node>();
  const meant = new Map<Alias, Node>();
  const repeated: Scalar[] = [];
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) {
        const found = anchored.get(node.source);
        if (found !== undefined) meant.set(node, found);
        return;
      }
      if (node.anchor !== undefined) anchored.set(node.anchor, node);
      if (!isMap(node)) return;
      const keys = new Set<unknown>();
      for (const { key } of node.items) {
        if (!isScalar(key)) continue;
        if (keys.has(key.value)) repeated.push(key);
        keys.add(key.value);
      }
    },
  });
  return { meant, repeated };
}

export const hasErrors = (problems: readonly Problem[]): boolean => problems.some(({ severity }) => severity === "error");

export function report(
  at: Place,
  message: string,
  { severity = "error", offset = at.node?.range?.[0] ?? 0 }: { severity?: Problem["severity"]; offset?: number } = {},
): undefined {
  if (isFull(at)) return undefined;
  const { line, col } = at.reading.lines.linePos(offset);
  at.reading.problems.push({ severity, line: Math.max(line, 1), column: Math.max(col, 1), path: at.path, message });
  return undefined;
}

const isFull = ({ reading }: Place): boolean => reading.problems.length >= problemsMax;

export const warn = (at: Place, message: string): undefined => report(at, message, { severity: "warning" });

export const positionOf = (at: Place): { readonly line: number; readonly column: number } => {
  const { line, col } = at.reading.lines.linePos(at.node?.range?.[0] ?? 0);
  return { line, column: col };
};

/** What a place holds, for saying that something else was expected. */
function describe({ node }: Place): string {
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  const value = isScalar(node) ? node.value : null;
  return value === null ? "nothing" : typeof value === "string" ? JSON.stringify(value) : String(value);
}

const expected = (at: Place, what: string): undefined => report(at, `expected ${what}, not ${describe(at)}`);

/** The value of a scalar; undefined for what has parts. */
export const scalarAt = ({ node }: Place): unknown => (isScalar(node) ? node.value : undefined);

export const holdsMapping = ({ node }: Place): boolean => isMap(node);
export const holdsList = ({ node }: Place): boolean => isSeq(node);

/** A reader whose value keeps its place, for what can be judged only when more has been read. */
export const placed =
  <T>(read: Reader<T>): Reader<Placed<T>> =>
  (at) => {
    const value = read(at);
    return value === undefined ? undefined : { value, at };
  };
export type Placed<T> = { readonly value: T; readonly at: Place };

/** Where the letter `index` of a scalar stands; exact for texts on one line. */
export function offsetIn({ node }: Place, index: number): number {
  const start = node?.range?.[0] ?? 0;
  const type = isScalar(node) ? node.type : undefined;
  return type === "PLAIN" ? start + index : type === "QUOTE_DOUBLE" || type === "QUOTE_SINGLE" ? start + 1 + index : start;
}

export const text: Reader<string> = (at) => {
  const value = scalarAt(at);
  return typeof value === "string" ? value : expected(at, "text");
};

/** Any scalar, as the text that was written: in `labels: {major: 1.10, dry: true}` the values are `1.10` and `true`. */
export const scalarText: Reader<string> = (at) => {
  const value = scalarAt(at);
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? sourceOf(at.node) : expected(at, "text");
};

const sourceOf = (node: Node | null): string => (isScalar(node) ? (node.source ?? String(node.value)) : "");

export const name: Reader<string> = (at) => {
  const value = text(at)?.trim();
  return value === "" ? expected(at, "a name") : value;
};

export const flag: Reader<boolean> = (at) => {
  const value = scalarAt(at);
  return typeof value === "boolean" ? value : expected(at, "true or false");
};

export const wholeNumber =
  (min: number, max = Number.MAX_SAFE_INTEGER): Reader<number> =>
  (at) => {
    const value = scalarAt(at);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    return expected(at, `a whole number ${range}`);
  };

export const numberAbove =
  (min: number): Reader<number> =>
  (at) => {
    const value = scalarAt(at);
    return typeof value === "number" && Number.isFinite(value) && value > min ? value : expected(at, `a number above ${min}`);
  };

/** A quantity with a unit: durations and sizes. */
export const quantity =
  (parse: (value: unknown) => number | undefined, what: string): Reader<number> =>
  (at) =>
    parse(scalarAt(at)) ?? expected(at, what);

/** One of some words. `words` also knows the aliases of a word; case, and `-` for `_`, make no difference. */
export const word =
  <T extends string>(words: ReadonlyMap<string, T>): Reader<T> =>
  (at) => {
    const written = scalarAt(at);
    const value = typeof written === "string" ? words.get(comparable(written)) : undefined;
    if (value !== undefined) return value;
    const meant = typeof written === "string" ? nearest(written, [...words.keys()]) : undefined;
    const known = [...new Set(words.values())].join(", ");
    return report(at, `expected one of ${known}, not ${describe(at)}${meant === undefined ? "" : `, did you mean \`${meant}\`?`}`);
  };

export const comparable = (written: string): string => written.trim().toLowerCase().replaceAll("-", "_");

export const wordsOf = <T extends string>(values: readonly T[]): ReadonlyMap<string, T> =>
  new Map(values.map((value) => [comparable(value), value]));

/** A list; one item alone is a list of one. Null when an item is wrong. */
export const list =
  <T>(read: Reader<T>): Reader<readonly T[]> =>
  (at) => {
    const { node } = at;
    if (!isSeq(node)) return isMap(node) || scalarAt(at) === null ? expected(at, "a list") : whole([read(at)]);
    return whole(node.items.map((item, index) => read(inner(at, item as Node | null, `${at.path}[${index}]`))));
  };

/** A list that must not be empty: whether none means all or nothing would be for the reader to guess. */
export const someOf = <T>(read: Reader<T>): Reader<readonly T[]> =>
  into(list(read), (items, at) => (items.length > 0 ? items : report(at, "the list is empty: leave the key out to match everything")));

/** The place of an item of a list. */
export const itemAt = (at: Place, index: number): Place =>
  inner(at, isSeq(at.node) ? (at.node.items[index] as Node | null) : null, `${at.path}[${index}]`);

/** A list of mappings. */
export const listOf =
  <T>(read: Reader<T>): Reader<readonly T[]> =>
  (at) =>
    isSeq(at.node) ? list(read)(at) : expected(at, "a list");

const whole = <T>(items: readonly (T | undefined)[]): readonly T[] | undefined =>
  items.every((item): item is T => item !== undefined) ? items : undefined;

/** A mapping whose keys the author chooses. */
export const dictionary =
  <T>(read: Reader<T>): Reader<ReadonlyMap<string, T>> =>
  (at) => {
    if (!isMap(at.node)) return expected(at, "a mapping");
    const entries = new Map<string, T>();
    let complete = true;
    for (const { key, value } of at.node.items) {
      const keyText = sourceOf(key as Node | null);
      const item = read(inner(at, value as Node | null, join(at.path, keyText)));
      if (item === undefined) complete = false;
      else entries.set(keyText, item);
    }
    return complete ? entries : undefined;
  };

type Shape = { readonly [field: string]: Reader<unknown> };
type Fields<S extends Shape> = { readonly [F in keyof S]?: ReadBy<S[F]> };

/** How a field of ours is written in a file: `riskTags` is `risk_tags`. */
export const keyOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * A mapping with known keys, all optional; a key that is there needs a value. An unknown key is an error that names the nearest known
 * one. `also` are other spellings of a field.
 */
export function mapping<S extends Shape>(shape: S, also: { readonly [key: string]: keyof S & string } = {}): Reader<Fields<S>> {
  const fieldsByKey = new Map([...Object.keys(shape).map((field) => [keyOf(field), field] as const), ...Object.entries(also)]);
  return (at) => {
    if (!isMap(at.node)) return expected(at, "a mapping");
    const fields: Record<string, unknown> = {};
    let complete = true;
    for (const { key, value } of at.node.items) {
      // Nobody hears of more, so that nothing is gained by looking for it.
      if (isFull(at)) return undefined;
      const keyText = sourceOf(key as Node | null);
      const field = fieldsByKey.get(keyText);
      const here = join(at.path, keyText);
      const read = field === undefined ? undefined : shape[field];
      if (field === undefined || read === undefined) {
        const meant = nearest(keyText, [...fieldsByKey.keys()]);
        report(
          inner(at, key as Node | null, here),
          `unknown key \`${keyText}\`${meant === undefined ? "" : `, did you mean \`${meant}\`?`}`,
        );
        complete = false;
      } else if (Object.hasOwn(fields, field)) {
        report(inner(at, key as Node | null, here), `\`${keyText}\` says again what another key has said`);
        complete = false;
      } else {
        const item = read(inner(at, value as Node | null, here));
        if (item === undefined) complete = false;
        else fields[field] = item;
      }
    }
    return complete ? (fields as Fields<S>) : undefined;
  };
}

/** Goes on from what `read` gives. */
export const into =
  <A, B>(read: Reader<A>, build: (value: A, at: Place) => B | undefined): Reader<B> =>
  (at) => {
    const value = read(at);
    return value === undefined ? undefined : build(value, at);
  };

/** Any value, as JSON would have it. */
export const anyValue: Reader<unknown> = (at) => {
  const { node } = at;
  if (isSeq(node)) return list(nullable(anyValue))(at);
  if (isMap(node)) {
    const entries = dictionary(nullable(anyValue))(at);
    return entries === undefined ? undefined : Object.fromEntries(entries);
  }
  return scalarAt(at) ?? null;
};

const nullable =
  (read: Reader<unknown>): Reader<unknown> =>
  (at) =>
    at.node === null ? null : read(at);

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);

function inner(at: Place, node: Node | null, path: string): Place {
  const { reading } = at;
  const depth = at.depth + 1;
  const isAliased = at.isAliased || isAlias(node);
  if (isAliased && ++reading.aliasVisits === aliasVisitsMax) report({ ...at, path: "" }, "the aliases of the document unfold too far");
  if (++reading.visits === visitsMax) report(at, `the document has more than ${visitsMax} values`);
  if (depth === nestingMax + 1) report({ ...at, path: "" }, nestedTooDeeply);
  const isCut = reading.visits >= visitsMax || reading.aliasVisits >= aliasVisitsMax || depth > nestingMax;
  const resolved = node === null || isCut ? null : reading.resolve(node);
  if (isAlias(node) && resolved === null && !isCut) report({ ...at, node, path }, `nothing is called \`${node.source}\``);
  return { node: resolved, path, depth, isAliased, reading };
}

/** The first line: what follows in the library's message is an excerpt. */
const firstSentence = (message: string): string => {
  const line = message.split("\n")[0] ?? "";
  return (line[0]?.toLowerCase() ?? "") + line.slice(1);
};
