import * as z from "zod/mini";
import { permissions } from "../../access/permission.ts";
import type { KnownRole } from "../../service/access/keys.ts";
import { listOf, named, textOrNull, timeOrNull } from "./schema.ts";

export const roleSchema = named(
  "Role",
  z.object({
    name: z.string(),
    permissions: listOf(z.enum(permissions)),
    origin: z.enum(["built-in", "configuration", "api"]),
    updated_at: timeOrNull,
    updated_by: textOrNull,
  }),
);

export const roleView = ({ name, permissions, origin, updated }: KnownRole): z.infer<typeof roleSchema> => ({
  name,
  permissions,
  origin,
  updated_at: updated === null ? null : new Date(updated.at).toISOString(),
  updated_by: updated?.by ?? null,
});
