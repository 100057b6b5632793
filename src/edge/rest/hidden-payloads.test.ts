import { expect, test } from "vitest";
import { withoutPayloads } from "./hidden-payloads.ts";

const hidden = "[hidden: payloads.read is needed]";

test("payloads are hidden wherever they stand, and nothing else is", () => {
  const run = {
    id: "r",
    input: { card: 1 },
    output: null,
    steps: { pay: { status: "failed", input: ["secret"], children: [{ output: 7 }] } },
  };
  expect(withoutPayloads(run, ["input", "output"])).toEqual({
    id: "r",
    input: { hidden },
    output: null,
    steps: { pay: { status: "failed", input: hidden, children: [{ output: hidden }] } },
  });
  expect(withoutPayloads("text", ["input"])).toBe("text");
});
