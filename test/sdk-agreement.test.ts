import fc from "fast-check";
import { expect, test } from "vitest";
import { type ActionFields, actionFields, actionPayload } from "../sdk/src/action.ts";
import { globOf } from "../sdk/src/guard/glob.ts";
import { readCallSite } from "../src/governance/call-site.ts";
import { compileGlob } from "../src/governance/policy/glob.ts";

// The SDK imports nothing of the server: here both read the same.

const text = fc.string({ maxLength: 20 });
const texts = fc.array(text, { maxLength: 5 });
const labels = fc.dictionary(fc.string({ minLength: 1, maxLength: 10 }), text, { maxKeys: 5, noNullPrototype: true });

test("what the SDK says of an action is what the server reads", () => {
  const fields: fc.Arbitrary<ActionFields> = fc.record(
    {
      topic: text.map((topic) => topic.trim()),
      labels,
      capability: text,
      riskTags: texts,
      requires: texts,
      packId: text,
      actor: text,
      idempotencyKey: text,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fields, (said) => {
      const payload = actionPayload(said);
      expect(actionFields(payload)).toEqual(said);
      const { topic = "", capability = "", riskTags = [], requires = [], packId = "", actor = "" } = said;
      expect(readCallSite({ metadata: payload.metadata ?? {}, data: payload.data ?? new Uint8Array() })).toEqual({
        ok: true,
        value: { topic, labels: new Map(Object.entries(said.labels ?? {})), capability, riskTags, requires, packId, actor },
      });
    }),
  );
});

test("patterns fit the same texts", () => {
  const letters = fc.constantFrom("a", "b", "/", ".", "*", "?", "[ab]", "[^a]", "[a-c]", "\\*", "\\a", "+", "(");
  const pattern = fc.array(letters, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
  const subject = fc.array(fc.constantFrom("a", "b", "c", "/", ".", "*", "+", "("), { maxLength: 6 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(pattern, subject, (written, given) => {
      expect(globOf(written)(given)).toBe(compileGlob(written)?.fits(given));
    }),
    // What a class takes is not given back: there is no way for the second star past the `/`.
    { numRuns: 2_000, examples: [["*[^a]*a", "c/a"]] },
  );
});
