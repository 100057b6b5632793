import type { IncomingHttpHeaders } from "node:http";
import { headerOf } from "./header.ts";

/** As it stands in an answer to what began or went on with a trace. */
export const traceHeader = "x-trace-id";

const ownPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
/** Source: W3C Trace Context, `version-traceid-parentid-flags`. */
const parentPattern = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/** The trace that a request belongs to: of `X-Trace-Id`, or of `traceparent`. Null when it names none, or what cannot be one. */
export function traceIdOf(headers: IncomingHttpHeaders): string | null {
  const own = headerOf(headers, traceHeader);
  if (own !== null && ownPattern.test(own)) return own;
  const id = parentPattern.exec(headerOf(headers, "traceparent") ?? "")?.[1];
  return id === undefined || /^0+$/.test(id) ? null : id;
}
