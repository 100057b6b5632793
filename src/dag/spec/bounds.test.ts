import { describe, expect, test } from "vitest";
import { parseDagSpec } from "./parse.ts";

const steps = "steps: { a: { topic: job.a } }\n";
const within = (text: string) => parseDagSpec(`${text}\n${steps}`);
const flow = (levels: number): string => `config: ${"[".repeat(levels)}${"]".repeat(levels)}`;
const block = (levels: number): string =>
  `config:\n${Array.from({ length: levels }, (_, level) => `${" ".repeat(level + 1)}a:\n`).join("")}`;
const letters = [..."abcdefghij"];
/** Each list holds the one before ten times. */
const bomb = `config:\n${letters
  .map(
    (name, index) =>
      `  ${name}: &${name} [${Array(10)
        .fill(index === 0 ? "x" : `*${letters[index - 1]}`)
        .join(", ")}]`,
  )
  .join("\n")}`;

describe("a definition that is nested", () => {
  test.each([
    ["as deep as anybody means, in brackets", flow(150)],
    ["as deep as anybody means, by indentation", block(150)],
  ])("%s is read", (_, text) => {
    expect(within(text).spec).not.toBeNull();
  });

  test.each([
    ["a little too deep", flow(250)],
    ["by indentation", block(1_000)],
    ["as deep as a definition is long", `config: ${"[".repeat(400_000)}`],
    ["within itself", "config: &a [*a]"],
    ["under keys", `config: ${"{a: ".repeat(250)}1${"}".repeat(250)}`],
  ])("%s is refused", (_, text) => {
    const { spec, problems } = within(text);
    expect(spec).toBeNull();
    expect(problems[0]?.message).toBe("the document is nested more than 200 times");
  });
});

test("aliases of aliases are refused where they unfold to more than a definition can mean", () => {
  const { spec, problems } = within(bomb);
  expect(spec).toBeNull();
  expect(problems[0]?.message).toContain("the aliases of the document unfold too far");
});
