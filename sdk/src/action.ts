import { defaultPayloadConverter, type Payload } from "@temporalio/common";

/** What the code that asks for an action says of it. The policy's catalogue comes on top: what it says wins, risk tags add up. */
export type ActionFields = {
  /** What policies name. Without one, the catalogue's or `activity.<type>`. */
  readonly topic?: string;
  readonly labels?: { readonly [name: string]: string };
  /** What the action means: `payment.write`. */
  readonly capability?: string;
  /** Why it may need care: `prod`, `money`, `secrets`. */
  readonly riskTags?: readonly string[];
  /** What it needs to run: `network`. */
  readonly requires?: readonly string[];
  readonly packId?: string;
  /** The program for which it asks, an agent for instance. It acts in no role; whoever started the workflow is still known. */
  readonly actor?: string;
  /** What the activity hands to whoever it calls, so that a repeated attempt is told from a second request. */
  readonly idempotencyKey?: string;
};

/** Header of commands and requests in which the fields travel. */
export const actionHeader = "holdfast-action";

/** Of this version. The server denies an action whose header it cannot read. */
const version = 1;

export const actionPayload = ({ riskTags, packId, idempotencyKey, ...rest }: ActionFields): Payload =>
  defaultPayloadConverter.toPayload({
    v: version,
    ...rest,
    ...(riskTags === undefined ? {} : { risk_tags: riskTags }),
    ...(packId === undefined ? {} : { pack_id: packId }),
    ...(idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey }),
  });

/** The fields as `actionPayload` wrote them; undefined without a header. */
export function actionFields(payload: Payload | undefined): ActionFields | undefined {
  if (payload === undefined) return undefined;
  const { v, risk_tags, pack_id, idempotency_key, ...rest } = defaultPayloadConverter.fromPayload<Written>(payload);
  if (v !== version) throw new TypeError(`header \`${actionHeader}\` has version ${String(v)}, and version ${version} can be read`);
  return {
    ...rest,
    ...(risk_tags === undefined ? {} : { riskTags: risk_tags }),
    ...(pack_id === undefined ? {} : { packId: pack_id }),
    ...(idempotency_key === undefined ? {} : { idempotencyKey: idempotency_key }),
  };
}

type Written = Omit<ActionFields, "riskTags" | "packId" | "idempotencyKey"> & {
  readonly v: unknown;
  readonly risk_tags?: readonly string[];
  readonly pack_id?: string;
  readonly idempotency_key?: string;
};

/** Both at once: of a field and of a label the inner word stands, lists add up. */
export function combined(outer: ActionFields | undefined, inner: ActionFields | undefined): ActionFields | undefined {
  if (outer === undefined || inner === undefined) return inner ?? outer;
  const both = (a: readonly string[] | undefined, b: readonly string[] | undefined) =>
    a === undefined && b === undefined ? undefined : [...new Set([...(a ?? []), ...(b ?? [])])];
  const [riskTags, requires] = [both(outer.riskTags, inner.riskTags), both(outer.requires, inner.requires)];
  return {
    ...outer,
    ...inner,
    ...(outer.labels === undefined && inner.labels === undefined ? {} : { labels: { ...outer.labels, ...inner.labels } }),
    ...(riskTags === undefined ? {} : { riskTags }),
    ...(requires === undefined ? {} : { requires }),
  };
}

/** Key of the options of an activity, child workflow or start under which the fields reach our interceptor. Core never sees it. */
export const optionsKey = "holdfast:action";

export const fieldsIn = (options: object): ActionFields | undefined =>
  optionsKey in options ? (options[optionsKey] as ActionFields) : undefined;
