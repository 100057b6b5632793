import { createHash } from "node:crypto";
import { stringify } from "yaml";
import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import type { RouteAccess } from "./access.ts";
import { documentPage, pageStyle } from "./document-page.ts";
import { type OpenApi, openApiOf } from "./openapi.ts";
import { type Route, route } from "./route.ts";
import { routeAccess } from "./route-access.ts";

const accessByName: ReadonlyMap<string, RouteAccess> = new Map(Object.entries(routeAccess));

/** The routes, and those that describe them all. */
export function documentedRoutes(routes: { readonly [name: string]: Route }): readonly Route[] {
  const access = new Map(Object.entries(routes).map(([name, one]) => [one, accessByName.get(name)]));
  let made: OpenApi | null = null;
  const document = (): OpenApi => {
    made ??= openApiOf(all, (one) => access.get(one));
    return made;
  };
  const all = [
    ...Object.values(routes),
    route({
      method: "GET",
      path: "/api/v1/openapi.json",
      summary: "This document, as JSON",
      isPublic: true,
      success: { json: z.record(z.string(), z.unknown()) },
      handle: async () => ok({ json: document() }),
    }),
    route({
      method: "GET",
      path: "/api/v1/openapi.yaml",
      summary: "This document, as YAML",
      isPublic: true,
      success: { mediaType: "application/yaml" },
      handle: async () => ok({ text: stringify(document(), { aliasDuplicateObjects: false }) }),
    }),
    route({
      method: "GET",
      path: "/api/v1/docs",
      summary: "This document, as a page for people",
      isPublic: true,
      success: { mediaType: "text/html; charset=utf-8" },
      handle: async () => ok({ text: documentPage(document()), headers: { "content-security-policy": pagePolicy } }),
    }),
  ];
  return all;
}

/** Nothing but the page's own style. */
const pagePolicy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(pageStyle).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
