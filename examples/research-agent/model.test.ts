import { describe, expect, test } from "vitest";
import { keywords, pickSentences, relevance, sentencesOf, writeDraft } from "./model.ts";

describe("the model", () => {
  test.each([
    ["Can a heat pump warm an old house?", ["heat", "pump", "warm", "old", "house"]],
    ["Grants and running cost", ["grant", "runn", "cost"]],
    ["what is it?", []],
  ])("key words of %j", (text, words) => {
    expect([...keywords(text)]).toEqual(words);
  });

  test("counts the key words that question and text share", () => {
    expect(relevance("heat pump price", "The price of a heat pump is paid at the start.")).toBe(3);
  });

  test("picks the most relevant sentences and keeps their order", () => {
    const text = "Tea is hot. The pump is loud. Rain falls. A heat pump has a price.";
    expect(pickSentences("price of a heat pump", sentencesOf(text), 2)).toEqual(["The pump is loud.", "A heat pump has a price."]);
  });

  test("answers each note of the editor with a section of its own", () => {
    const summaries = [{ sourceId: "a.md", title: "Costs", sentences: ["It is loud.", "Grants cover a part."] }];
    expect(writeDraft("Heat pumps?", summaries, ["more about grants", "which colours"])).toEqual({
      question: "Heat pumps?",
      revision: 3,
      text: [
        "# Heat pumps?",
        "## Costs\n\nIt is loud. [1] Grants cover a part. [1]",
        "## Asked by the editor: more about grants\n\nGrants cover a part. [1]",
        "## Asked by the editor: which colours\n\nThe sources say nothing about this.",
        "## Sources\n\n1. Costs (a.md)\n",
      ].join("\n\n"),
    });
  });
});
