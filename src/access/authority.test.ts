import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { authorityOf } from "./authority.ts";
import { permissions } from "./permission.ts";
import type { AccessPrincipal, Grant } from "./principal.ts";
import { builtInRoleNames, builtInRoles, isBuiltInRole } from "./role.ts";

const permissionsOf = (name: string) => (isBuiltInRole(name) ? builtInRoles[name] : null);
const authority = (grants: readonly Grant[], taskQueues: readonly string[] | null = null) =>
  authorityOf({ grants, taskQueues }, permissionsOf);

describe("a principal may do", () => {
  test("what its roles allow where it has them, and nothing elsewhere", () => {
    const ann = authority([
      { namespaces: ["shop", "team-*"], roles: ["developer"] },
      { namespaces: ["shop"], roles: ["approver"] },
    ]);
    expect(ann.allows("workflows.write", "shop")).toBe(true);
    expect(ann.allows("approvals.decide", "shop")).toBe(true);
    expect(ann.allows("workflows.write", "team-a")).toBe(true);
    expect(ann.allows("approvals.decide", "team-a")).toBe(false);
    for (const permission of permissions) expect(ann.allows(permission, "other")).toBe(false);
    expect(ann.sees("other")).toBe(false);
    expect(ann.sees("team-b")).toBe(true);
    expect(ann.rolesIn("shop")).toEqual(["developer", "approver"]);
    expect(ann.allowsEverywhere("workflows.write")).toBe(false);
  });

  test("what belongs to no namespace only with a role in all of them", () => {
    expect(authority([{ namespaces: ["*"], roles: ["admin"] }]).allowsEverywhere("namespaces.write")).toBe(true);
    expect(authority([{ namespaces: ["team-*"], roles: ["admin"] }]).allowsEverywhere("namespaces.write")).toBe(false);
  });

  test.each([
    // patterns                  within what it was given
    [["shop"], true],
    [["team-a", "team-b*", "shop"], true],
    [["team-*"], true],
    [["team*"], false],
    [["shop", "other"], false],
    [["*"], false],
    [[], true],
  ])("in all of %j: %s", (patterns, expected) => {
    const admin = authority([{ namespaces: ["shop", "team-*"], roles: ["admin"] }]);
    expect(admin.allowsWithin("keys.write", patterns)).toBe(expected);
    expect(authority([{ namespaces: ["*"], roles: ["admin"] }]).allowsWithin("keys.write", patterns)).toBe(true);
  });

  test("nothing in a role that there is not", () => {
    const nobody = authority([{ namespaces: ["*"], roles: ["owner", "__proto__"] }]);
    for (const permission of permissions) expect(nobody.allows(permission, "default")).toBe(false);
  });

  test("take tasks of the queues that it was given", () => {
    const worker = authority([{ namespaces: ["*"], roles: ["worker"] }], ["orders", "mail-*"]);
    expect(["orders", "mail-eu", "orders2", "payments", ""].map((queue) => worker.mayPoll(queue))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(authority([]).mayPoll("anything")).toBe(true);
  });
});

describe("nobody gives what they do not have", () => {
  const grantArbitrary = fc.record({
    namespaces: fc.array(fc.constantFrom("*", "a", "ab", "a*", "ab*", "b*"), { minLength: 1, maxLength: 2 }),
    roles: fc.array(fc.constantFrom(...builtInRoleNames), { minLength: 1, maxLength: 2 }),
  });
  const principal: fc.Arbitrary<Pick<AccessPrincipal, "grants" | "taskQueues">> = fc.record({
    grants: fc.array(grantArbitrary, { minLength: 1, maxLength: 3 }),
    taskQueues: fc.option(fc.array(fc.constantFrom("q", "q*", "qa", "*"), { minLength: 1, maxLength: 2 })),
  });

  test("whatever the patterns: what does not exceed allows nothing more anywhere", () => {
    fc.assert(
      fc.property(principal, principal, (giver, given) => {
        const from = authorityOf(giver, permissionsOf);
        const to = authorityOf(given, permissionsOf);
        if (from.exceeds(given) !== null) return;
        for (const namespace of ["a", "ab", "abc", "b", "z"])
          for (const permission of permissions) if (to.allows(permission, namespace)) expect(from.allows(permission, namespace)).toBe(true);
        for (const queue of ["q", "qa", "qab", "x"]) if (to.mayPoll(queue)) expect(from.mayPoll(queue)).toBe(true);
      }),
    );
  });

  test("and everybody may give what they have", () => {
    fc.assert(
      fc.property(principal, (giver) => {
        expect(authorityOf(giver, permissionsOf).exceeds(giver)).toBeNull();
      }),
    );
  });

  test("and hears what is too much", () => {
    const admin = authority([{ namespaces: ["shop"], roles: ["admin"] }], ["q"]);
    expect(admin.exceeds({ grants: [{ namespaces: ["*"], roles: ["worker"] }], taskQueues: ["q"] })).toBe("namespaces.read in *");
    expect(admin.exceeds({ grants: [{ namespaces: ["shop"], roles: ["worker"] }], taskQueues: null })).toBe("tasks of every task queue");
  });
});
