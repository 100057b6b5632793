import type { IncomingHttpHeaders } from "node:http";
import { headerOf } from "./header.ts";

/** A tenant is the namespace of the same name. */
export const tenantOf = (headers: IncomingHttpHeaders): string => headerOf(headers, "x-tenant-id") ?? "default";
