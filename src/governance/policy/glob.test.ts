import fc from "fast-check";
import { expect, test } from "vitest";
import { compileGlob } from "./glob.ts";

test.each([
  // pattern        text                 fits
  ["job.deploy", "job.deploy", true],
  ["job.deploy", "job.deploys", false],
  ["job.deploy", "Job.Deploy", false], // case-sensitive
  [" job.deploy ", "job.deploy", true], // trimmed
  ["job.*", "job.a", true],
  ["job.*", "job.a.b.c", true], // a dot is no border
  ["job.*", "job.", true],
  ["job.*", "job.a/b", false], // a slash is
  ["job.*", "jobs.a", false],
  ["*", "anything.at.all", true],
  ["*", "", true],
  ["*", "a/b", false],
  ["*/*", "a/b", true],
  ["**", "a.b", true], // two stars are one
  ["**", "a/b", false],
  ["*.read", "job.github.read", true],
  ["*.read", "job.read.all", false],
  ["job.*.read", "job.read.x.read", true],
  ["job.*.read", "job.read", false],
  ["a*b*c", "aXbXbXc", true],
  ["a*b*c", "aXcXb", false],
  ["job.?", "job.a", true],
  ["job.?", "job.", false],
  ["job.?", "job.ab", false],
  ["job.?", "job./", false],
  ["job.?", "job.é", true],
  ["job.?", "job.😀", true],
  ["job.[a-c]", "job.b", true],
  ["job.[a-c]", "job.d", false],
  ["job.[^a-c]", "job.d", true],
  ["job.[^a-c]", "job.b", false],
  ["job.[xz]*", "job.zeta", true],
  ["job.[\\]]", "job.]", true],
  ["job.[\\-x]", "job.-", true],
  ["job.\\*", "job.*", true],
  ["job.\\*", "job.a", false],
  ["job.>", "job.a", false], // the wildcard of NATS has no meaning here
  ["job.>", "job.>", true],
  ["*a*a*a*a*a*b", "a".repeat(5_000), false], // no exponential time
] as const)("%s on %s: %s", (pattern, text, expected) => {
  expect(compileGlob(pattern)?.fits(text)).toBe(expected);
});

test.each(["", "  ", "job.[", "job.[]", "job.[a", "job.[a-", "job.[a-]", "job.[-a]", "job.[^]", "job.\\", "[\\"])(
  "%j is malformed",
  (pattern) => {
    expect(compileGlob(pattern)).toBeNull();
  },
);

test("agrees with a regular expression of the same meaning", () => {
  const letter = fc.constantFrom("a", "b", ".", "/");
  const pattern = fc.array(fc.oneof(letter, fc.constantFrom("*", "?", "[ab]", "[^b/]")), { minLength: 1, maxLength: 8 });
  const source: { readonly [part: string]: string } = { "*": "[^/]*", "?": "[^/]", ".": "\\." };
  fc.assert(
    fc.property(pattern, fc.array(letter, { maxLength: 10 }), (parts, letters) => {
      const text = letters.join("");
      const expected = new RegExp(`^${parts.map((part) => source[part] ?? part).join("")}$`).test(text);
      expect(compileGlob(parts.join(""))?.fits(text)).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});
