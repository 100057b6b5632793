import { err, ok, type Result } from "../base/result.ts";
import type { EpochMs } from "../base/time.ts";
import type { AccessPrincipal } from "./principal.ts";

/** What a client has proved about itself: every field is what an authority that the server trusts has signed. */
export type ClientCertificate = {
  /** Of the subject; empty if it has none, or several. */
  readonly commonName: string;
  /** Its alternative names by kind, in the order of the certificate. */
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  /** SHA-256 of the whole, 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
  /** A connection may outlive it. */
  readonly expiresAt: EpochMs;
};

/** Whom certificates of some subjects stand for. */
export type CertificateMapping = {
  /** A common name (`cn:`, or nothing before it) or an alternative one (`dns:`, `uri:`, `email:`). A `*` stands for a part of it. */
  readonly subject: string;
  /** `{name}` is the name that fitted, `{cn}` the common name, `{1}` what the first `*` stands for. */
  readonly id: string;
  readonly kind: AccessPrincipal["kind"];
  /** May have the same parts in braces. */
  readonly namespaces: readonly string[];
  readonly roles: readonly string[];
  /** May have them as well. null: any. */
  readonly taskQueues: readonly string[] | null;
};

/** Kinds of names, and what their parts are separated by: a `*` never reaches beyond. */
const separators = { cn: null, dns: ".", uri: "/", email: "@" } as const;
type NameKind = keyof typeof separators;

/** One text before and one after the `*`, or the whole. */
type PatternPart = string | { readonly before: string; readonly after: string };
export type SubjectPattern = { readonly kind: NameKind; readonly parts: readonly PatternPart[]; readonly stars: number };

/** Reads the subject of a mapping. Refused with what was expected. */
export function parseSubjectPattern(text: string): Result<SubjectPattern, string> {
  const [, named, rest = ""] = /^(?:(cn|dns|uri|email):)?(.*)$/s.exec(text) ?? [];
  const kind = isNameKind(named) ? named : "cn";
  if (rest === "") return err("a name after the kind");
  // Names of hosts are the same in capitals.
  const parts = partsOf(kind, kind === "dns" ? rest.toLowerCase() : rest);
  const stars = parts.map((part) => part.split("*").length - 1);
  if (stars.some((count) => count > 1)) return err(`at most one \`*\` ${kind === "cn" ? "in a common name" : "between two separators"}`);
  return ok({
    kind,
    parts: parts.map((part) => {
      const [before = "", after] = part.split("*");
      return after === undefined ? before : { before, after };
    }),
    stars: stars.filter((count) => count === 1).length,
  });
}

/** What each `*` of the pattern stands for in a name; null if it does not fit. */
export function matchSubject(pattern: SubjectPattern, name: string): readonly string[] | null {
  const parts = partsOf(pattern.kind, pattern.kind === "dns" ? name.toLowerCase() : name);
  if (parts.length !== pattern.parts.length) return null;
  const stars: string[] = [];
  for (const [index, part] of parts.entries()) {
    const wanted = pattern.parts[index];
    if (wanted === undefined) return null;
    if (typeof wanted === "string") {
      if (wanted !== part) return null;
      continue;
    }
    const { before, after } = wanted;
    if (part.length <= before.length + after.length || !part.startsWith(before) || !part.endsWith(after)) return null;
    stars.push(part.slice(before.length, part.length - after.length));
  }
  return stars;
}

/** The names of a certificate that patterns of a kind are held against. */
export const namesOf = ({ commonName, dns, uri, email }: ClientCertificate, kind: NameKind): readonly string[] =>
  kind === "cn" ? (commonName === "" ? [] : [commonName]) : { dns, uri, email }[kind];

/** The parts in braces that a template has. */
export const variablesOf = (template: string): readonly string[] => [...template.matchAll(/\{([^{}]*)\}/g)].map(([, name = ""]) => name);

const isNameKind = (text: string | undefined): text is NameKind => text !== undefined && Object.hasOwn(separators, text);

function partsOf(kind: NameKind, name: string): readonly string[] {
  const separator = separators[kind];
  return separator === null ? [name] : name.split(separator);
}
