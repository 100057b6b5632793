import * as z from "zod/mini";
import { type CertificateMapping, parseSubjectPattern, variablesOf } from "../access/certificate.ts";
import type { ClaimValues } from "../access/claim.ts";
import { isPermission, type Permission } from "../access/permission.ts";
import { builtInRoleNames, isBuiltInRole } from "../access/role.ts";
import {
  defaultTokenAlgorithms,
  grantOf,
  type JsonWebKeys,
  mayBeFetched,
  type TokenIssuer,
  tokenAlgorithms,
} from "../access/token-issuer.ts";
import { parseDuration } from "../base/quantity.ts";
import { type DurationMs, minuteMs, secondMs } from "../base/time.ts";
import { boolean, filledText, hosts, oneOf, secretSetting, setting, text } from "./setting.ts";

/** Who is let in, and as whom. `docs/access.md` explains it. */
export type AuthConfig = {
  /** Whether every call has to prove who makes it. */
  readonly required: boolean;
  /** Whether a server that does not ask may be reached from other machines all the same. */
  readonly allowUnauthenticated: boolean;
  /** Whoever has it may make the first key of an administrator, once; null: nobody. It is a secret. */
  readonly bootstrapToken: string | null;
  /** Roles besides the built-in ones, by name. */
  readonly roles: { readonly [name: string]: readonly Permission[] };
  readonly jwt: readonly TokenIssuer[];
  /** The first that fits counts. */
  readonly certificates: readonly CertificateMapping[];
};

export const defaultAuth: AuthConfig = {
  required: false,
  allowUnauthenticated: false,
  bootstrapToken: null,
  roles: {},
  jwt: [],
  certificates: [],
};

const bootstrapTokenLengthMin = 32;
const clockToleranceDefault: DurationMs = 30 * secondMs;
const clockToleranceMax: DurationMs = 5 * minuteMs;

const textsOf = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every((one): one is string => filledText(one) !== undefined) ? value : undefined;
const texts = (what: string) => setting(`a list of ${what}`, textsOf);
const textsOrNull = (what: string) => setting(`a list of ${what}`, (value) => (value === null ? null : textsOf(value)));

const isMapping = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const hasOnly = (value: object, keys: readonly string[]): boolean => Object.keys(value).every((key) => keys.includes(key));

/** `groups`, `[admin]` or `{ claim: groups, map: { ops: operator } }`. */
function claimValuesOf(value: unknown): ClaimValues | undefined {
  const path = filledText(value);
  if (path !== undefined) return { claim: path, map: null };
  if (!isMapping(value)) return textsOf(value);
  const claim = filledText(value.claim);
  const map = value.map ?? null;
  if (claim === undefined || !hasOnly(value, ["claim", "map"])) return undefined;
  if (map === null) return { claim, map };
  const entries = isMapping(map) ? Object.entries(map) : undefined;
  return entries?.every((entry): entry is [string, string] => filledText(entry[1]) !== undefined)
    ? { claim, map: Object.fromEntries(entries) }
    : undefined;
}
const claimValuesForm = "the path of a claim, a list, or `{ claim, map }`";

function kindOf(value: unknown): TokenIssuer["kind"] | undefined {
  if (value === "human" || value === "service") return value;
  if (!isMapping(value) || !hasOnly(value, ["claim", "human"])) return undefined;
  const claim = filledText(value.claim);
  const human = textsOf(value.human);
  return claim === undefined || human === undefined ? undefined : { claim, human };
}

/** Members of a key that are secret: private ones, and those of keys that are secret as a whole. Source: RFC 7518, section 6. */
const secretMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

function keysOf(value: unknown): TokenIssuer["jwks"] | undefined {
  if (value === null) return null;
  if (!isMapping(value)) return filledText(value);
  const keys: unknown = value.keys;
  const isPublic = (key: unknown): key is JsonWebKeys["keys"][number] =>
    isMapping(key) && filledText(key.kty) !== undefined && !secretMembers.some((member) => Object.hasOwn(key, member));
  return Array.isArray(keys) && keys.every(isPublic) ? { keys } : undefined;
}

const clockTolerance = setting("a duration up to 5m", (value) => {
  const parsed = value === 0 || value === "0s" ? 0 : parseDuration(value);
  return parsed !== undefined && parsed <= clockToleranceMax ? parsed : undefined;
});

const permission = setting("a permission such as `jobs.read` (docs/access.md lists them)", (value) =>
  typeof value === "string" && isPermission(value) ? value : undefined,
);

const issuerSchema = z.strictObject({
  issuer: text("the issuer's name as in the claim `iss`"),
  audience: setting("an audience, or a list of them", (value) => {
    const audiences = filledText(value) === undefined ? textsOf(value) : textsOf([value]);
    return audiences?.length === 0 ? undefined : audiences;
  }),
  jwksUri: z._default(
    setting("an http or https URL", (value) => (value === null ? null : isWebUrl(value) ? value : undefined)),
    null,
  ),
  // A private key that somebody has put here by mistake is not shown.
  jwks: z._default(secretSetting("public keys as `{ keys: […] }`, or the name of a file with them", keysOf), null),
  algorithms: z._default(z.array(oneOf(tokenAlgorithms), { error: "expected a list of algorithms" }), [...defaultTokenAlgorithms]),
  clockTolerance: z._default(clockTolerance, clockToleranceDefault),
  subjectClaim: z._default(text("the path of a claim"), "sub"),
  prefix: z._default(
    setting("a text", (value) => (typeof value === "string" ? value : undefined)),
    "",
  ),
  kind: z._default(setting("human, service or `{ claim, human: [values] }`", kindOf), "service"),
  roles: z._default(setting(claimValuesForm, claimValuesOf), []),
  namespaces: z._default(setting(claimValuesForm, claimValuesOf), []),
  grants: z._default(setting(claimValuesForm, claimValuesOf), []),
  taskQueues: z._default(
    setting(claimValuesForm, (value) => (value === null ? null : claimValuesOf(value))),
    null,
  ),
  allowPrivate: z._default(hosts, false),
});

const certificateSchema = z.strictObject({
  subject: text("a name, such as `build-*` or `uri:spiffe://example.org/worker/*`"),
  id: z._default(text("a name, which may have `{name}`, `{cn}` and `{1}`"), "{name}"),
  kind: z._default(oneOf(["human", "service"]), "service"),
  namespaces: z._default(texts("namespaces"), []),
  roles: z._default(texts("roles"), []),
  taskQueues: z._default(textsOrNull("task queues"), null),
});

export const authSchema = z.strictObject({
  required: boolean,
  allowUnauthenticated: boolean,
  bootstrapToken: secretSetting(`a secret of ${bootstrapTokenLengthMin} characters or more`, (value) =>
    value === null ? null : typeof value === "string" && value.trim().length >= bootstrapTokenLengthMin ? value : undefined,
  ),
  roles: z.record(z.string(), z.array(permission, { error: "expected a list of permissions" }), {
    error: "expected a mapping of names to permissions",
  }),
  jwt: z.array(issuerSchema, { error: "expected a list of issuers" }),
  certificates: z.array(certificateSchema, { error: "expected a list of mappings" }),
});

export type AuthProblem = { readonly path: readonly string[]; readonly problem: string };

/** What is wrong with settings that are each well-formed, one sentence for each. */
export const authProblems = ({ roles, jwt, certificates }: AuthConfig): readonly AuthProblem[] => [
  ...Object.keys(roles).flatMap((name) => prefixed(["roles", name], problemOfRoleName(name))),
  ...jwt.flatMap((issuer, index) => issuerProblems(issuer, jwt.slice(0, index)).flatMap((one) => prefixed(["jwt", String(index)], one))),
  ...certificates.flatMap((mapping, index) => mappingProblems(mapping).flatMap((one) => prefixed(["certificates", String(index)], one))),
];

type Problem = { readonly key?: string; readonly problem: string };

const prefixed = (path: readonly string[], found: Problem | null): readonly AuthProblem[] =>
  found === null ? [] : [{ path: ["auth", ...path, ...(found.key === undefined ? [] : [found.key])], problem: found.problem }];

function problemOfRoleName(name: string): Problem | null {
  if (isBuiltInRole(name)) return { problem: `\`${name}\` is a built-in role (${builtInRoleNames.join(", ")}), which nobody changes` };
  return /^[a-zA-Z][\w.-]{0,63}$/.test(name)
    ? null
    : { problem: "the name of a role is a letter followed by at most 63 letters, digits, `.`, `-` or `_`" };
}

function issuerProblems(issuer: TokenIssuer, before: readonly TokenIssuer[]): readonly Problem[] {
  const found: Problem[] = [];
  if (before.some((other) => other.issuer === issuer.issuer)) found.push({ key: "issuer", problem: `\`${issuer.issuer}\` is there twice` });
  else if (before.some(({ prefix }) => prefix.startsWith(issuer.prefix) || issuer.prefix.startsWith(prefix)))
    found.push({ key: "prefix", problem: "of several issuers, each needs a prefix that none of the others begins with" });
  const [wrong] = fixedValuesOf(issuer.grants).filter((text) => grantOf(text) === null);
  if (wrong !== undefined) found.push({ key: "grants", problem: `expected \`namespace:role\`, not \`${wrong}\`` });
  if (issuer.algorithms.length === 0) found.push({ key: "algorithms", problem: "expected at least one" });
  if (issuer.jwks !== null && issuer.jwksUri !== null) found.push({ key: "jwks", problem: "the keys are either here or at `jwksUri`" });
  if (issuer.jwks !== null) return found;
  const [key, url] = issuer.jwksUri === null ? ["issuer", issuer.issuer] : ["jwksUri", issuer.jwksUri];
  if (!isWebUrl(url))
    found.push({ key, problem: `\`${url}\` is no URL at which its keys could be found: \`jwksUri\` or \`jwks\` says where they are` });
  else if (!mayBeFetched(new URL(url), issuer.allowPrivate))
    found.push({ key, problem: "expected an https URL: http is for the hosts of `allowPrivate` alone" });
  return found;
}

/** Texts that are known before there is a token. */
const fixedValuesOf = (values: ClaimValues): readonly string[] => ("claim" in values ? Object.values(values.map ?? {}) : values);

function mappingProblems({ subject, id, namespaces, taskQueues }: CertificateMapping): readonly Problem[] {
  const pattern = parseSubjectPattern(subject);
  if (!pattern.ok) return [{ key: "subject", problem: `expected ${pattern.error}` }];
  const known = ["name", "cn", ...Array.from({ length: pattern.value.stars }, (_, index) => String(index + 1))];
  const templates = [
    ["id", id] as const,
    ...namespaces.map((one) => ["namespaces", one] as const),
    ...(taskQueues ?? []).map((one) => ["taskQueues", one] as const),
  ];
  return templates.flatMap(([key, template]) =>
    variablesOf(template)
      .filter((variable) => !known.includes(variable))
      .map((variable) => ({ key, problem: `\`{${variable}}\` is none of ${known.map((one) => `\`{${one}}\``).join(", ")}` })),
  );
}

function isWebUrl(value: unknown): value is string {
  return typeof value === "string" && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}
