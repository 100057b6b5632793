import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { permissions } from "./permission.ts";
import { builtInRoleNames, builtInRoles } from "./role.ts";

describe("docs/access.md", () => {
  const docs = readFileSync(new URL("../../docs/access.md", import.meta.url), "utf8");
  const cells = (line: string): readonly string[] =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  const [head = [], , ...rows] = docs
    .slice(docs.indexOf("| permission |"))
    .split("\n\n", 1)
    .flatMap((table) => table.split("\n"))
    .map(cells);

  test("has a column for each built-in role", () => {
    expect(head.slice(2)).toEqual(builtInRoleNames.map((role) => `\`${role}\``));
  });

  test("says of each permission who has it", () => {
    expect(rows.map(([permission, , ...marks]) => [permission, ...marks])).toEqual(
      permissions.map((permission) => [
        `\`${permission}\``,
        ...builtInRoleNames.map((role) => (builtInRoles[role].some((one) => one === permission) ? "✓" : "")),
      ]),
    );
  });
});

test("whoever decides on approvals submits nothing, and whoever audits changes nothing", () => {
  expect(builtInRoles.approver.filter((permission) => permission.endsWith(".write"))).toEqual([]);
  expect(builtInRoles.auditor.filter((permission) => !permission.endsWith(".read"))).toEqual([]);
});
