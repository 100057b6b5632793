import { describe, expect, test } from "vitest";
import { hourMs, minuteMs } from "../../base/time.ts";
import type { ApprovalTerms } from "../policy/policy.ts";
import { contextLengthMax, inputReasonLengthMax, readApprovalInput, strictestTerms, titleLengthMax } from "./approval-input.ts";

const plain: ApprovalTerms = {
  roles: [],
  principals: [],
  quorum: 1,
  fourEyes: false,
  expiresAfter: null,
  onExpiry: "deny",
  escalation: [],
  reasonRequired: false,
};

describe("what a workflow asks for", () => {
  test.each<[unknown[], object]>([
    [[], { title: "", reason: "", terms: plain, context: "" }],
    [[{}], { terms: plain }],
    [[{ title: "Deploy 7", reason: "it fixes the bug" }], { title: "Deploy 7", reason: "it fixes the bug" }],
    [[{ approvers: { roles: ["ops"], principals: ["grace"] } }], { terms: { ...plain, roles: ["ops"], principals: ["grace"] } }],
    [[{ approvers: { roles: "ops" } }], { terms: { ...plain, roles: ["ops"] } }],
    [[{ quorum: 2, four_eyes: true, reason_required: true }], { terms: { ...plain, quorum: 2, fourEyes: true, reasonRequired: true } }],
    [[{ expires_after: "1h30m", on_expiry: "deny" }], { terms: { ...plain, expiresAfter: 90 * minuteMs } }],
    [[{ expires_after: 500 }], { terms: { ...plain, expiresAfter: 500 } }],
    [
      [{ escalation: [{ after: "1h", roles: ["cto"] }] }],
      { terms: { ...plain, escalation: [{ after: hourMs, roles: ["cto"], principals: [] }] } },
    ],
    [[{ context: { b: [1, null], a: "x: # y" } }], { context: '{"a":"x: # y","b":[1,null]}' }],
    [[{ title: 'tricky: "text" # \u2028 \u0000 {x}' }], { title: 'tricky: "text" # \u2028 \u0000 {x}' }],
  ])("%j", (args, expected) => {
    expect(readApprovalInput(args)).toMatchObject({ ok: true, value: expected });
  });

  test.each<[unknown[], string]>([
    [["now"], "expected an object"],
    [[[]], "expected an object"],
    [[null], "expected an object"],
    [[{}, {}], "expected one object, not 2 arguments"],
    [[{ titel: "x" }], "`titel`: unknown key `titel`, did you mean `title`?"],
    [[{ title: 7 }], "`title`: expected text, not 7"],
    [[{ title: "x".repeat(titleLengthMax + 1) }], `\`title\`: longer than ${titleLengthMax} letters`],
    [[{ reason: "x".repeat(inputReasonLengthMax + 1) }], `\`reason\`: longer than ${inputReasonLengthMax} letters`],
    [[{ context: "x".repeat(contextLengthMax) }], `\`context\`: longer than ${contextLengthMax} letters as JSON`],
    [[{ approvers: ["grace"] }], "`approvers`: expected a mapping, not a list"],
    [[{ approvers: { roles: [1] } }], "`approvers.roles[0]`: expected text, not 1"],
    [[{ quorum: 0 }], "`quorum`: expected a whole number from 1 to 100, not 0"],
    [[{ quorum: "two" }], '`quorum`: expected a whole number from 1 to 100, not "two"'],
    [[{ approvers: { principals: ["grace"] }, quorum: 2 }], "a quorum of 2 cannot be reached by 1 principals"],
    [[{ four_eyes: "yes" }], '`four_eyes`: expected true or false, not "yes"'],
    [[{ expires_after: "soon" }], '`expires_after`: expected a duration such as `30s` or `1h30m`, not "soon"'],
    [
      [{ expires_after: "1h", on_expiry: "allow" }],
      "`on_expiry`: an approval that nobody gave cannot be taken for one: to let actions pass and only note them, use `mode: observe`",
    ],
    [[{ escalation: [{ after: "1h" }] }], "`escalation[0]`: an escalation needs `after`, and `roles` or `principals`"],
    [[{ escalation: Array.from({ length: 17 }, () => ({ after: "1h", roles: ["cto"] })) }], "17 escalations are more than 16"],
  ])("%j is refused: %s", (args, message) => {
    expect(readApprovalInput(args)).toEqual({ ok: false, error: message });
  });
});

describe("policy and workflow together: whichever is stricter", () => {
  const escalation = [{ after: hourMs, roles: ["cto"], principals: [] }];
  test.each<[string, Partial<ApprovalTerms>, Partial<ApprovalTerms>, Partial<ApprovalTerms>]>([
    // what                          policy                              workflow                            both
    ["the larger quorum", { quorum: 2 }, { quorum: 3 }, { quorum: 3 }],
    ["four eyes by either", {}, { fourEyes: true }, { fourEyes: true }],
    ["a reason by either", { reasonRequired: true }, {}, { reasonRequired: true }],
    ["the shorter time", { expiresAfter: 5 }, { expiresAfter: 9 }, { expiresAfter: 5 }],
    ["a time by either", {}, { expiresAfter: 9 }, { expiresAfter: 9 }],
    ["the policy's approvers", { roles: ["ops"] }, { roles: ["interns"] }, { roles: ["ops"] }],
    ["the workflow's, if it has none", {}, { principals: ["ann"], escalation }, { principals: ["ann"], escalation }],
    ["no escalation to others", { roles: ["ops"] }, { escalation }, { roles: ["ops"] }],
    ["what the policy does on expiry", { roles: ["ops"], onExpiry: "escalate" }, {}, { roles: ["ops"], onExpiry: "escalate" }],
  ])("%s", (_what, policy, asked, both) => {
    expect(strictestTerms({ ...plain, ...policy }, { ...plain, ...asked })).toEqual({ ...plain, ...both });
  });

  test("the workflow's alone where the policy asks for nothing", () => {
    expect(strictestTerms(null, { ...plain, quorum: 2 })).toEqual({ ...plain, quorum: 2 });
  });
});
