import type { Draft, Summary } from "./report.ts";

// A small extractive "model": it picks and arranges sentences of its sources, so that the example needs no account, costs nothing and
// writes the same report every time. What a hosted model adds to the risk (rate limits, time-outs) the activities play.

const stopWords = new Set(
  "a about after all an and are as at be but by can could do does for from had has have how if in into is it its more most much must not of on one or our should so that the their them then there they this to was we what when where which while who why will with would you your".split(
    " ",
  ),
);

/** Word stems that carry meaning, each once. */
export function keywords(text: string): ReadonlySet<string> {
  const words = text.toLowerCase().match(/\p{L}{3,}/gu) ?? [];
  return new Set(words.filter((word) => !stopWords.has(word)).map((word) => word.replace(/(?:ies|es|s|ing|ed)$/, "")));
}

/** How many key words of `question` occur in `text`. */
export function relevance(question: string, text: string): number {
  const found = keywords(text);
  return [...keywords(question)].filter((word) => found.has(word)).length;
}

/** The most relevant sentences, in the order of the text. */
export function pickSentences(question: string, sentences: readonly string[], sentencesMax: number): readonly string[] {
  return sentences
    .map((sentence, position) => ({ sentence, position, score: relevance(question, sentence) }))
    .sort((a, b) => b.score - a.score || a.position - b.position)
    .slice(0, sentencesMax)
    .sort((a, b) => a.position - b.position)
    .map(({ sentence }) => sentence);
}

export const sentencesOf = (text: string): readonly string[] => text.trim().split(/(?<=[.!?])\s+/);

/** Writes the report. Each revision note adds a section made of what the sources say about it. */
export function writeDraft(question: string, summaries: readonly Summary[], revisionNotes: readonly string[]): Draft {
  const cited = summaries.map(({ sentences }, index) => sentences.map((sentence) => `${sentence} [${index + 1}]`));
  const body = summaries.map(({ title }, index) => `## ${title}\n\n${cited[index]?.slice(0, 3).join(" ")}`);
  const answers = revisionNotes.map((note) => {
    const related = cited.flat().filter((sentence) => relevance(note, sentence) > 0);
    const found = pickSentences(note, related, 4);
    return `## Asked by the editor: ${note}\n\n${found.length > 0 ? found.join(" ") : "The sources say nothing about this."}`;
  });
  const sources = summaries.map(({ sourceId, title }, index) => `${index + 1}. ${title} (${sourceId})`).join("\n");
  const text = [`# ${question}`, ...body, ...answers, `## Sources\n\n${sources}`].join("\n\n");
  return { question, revision: revisionNotes.length + 1, text: `${text}\n` };
}
