import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseDagSpec } from "./spec/parse.ts";

const page = readFileSync(new URL("../../docs/workflows.md", import.meta.url), "utf8");
const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text ?? "");

test.each(examples)("an example of the documentation is right: %s", (text) => {
  expect(parseDagSpec(text).problems).toEqual([]);
});
