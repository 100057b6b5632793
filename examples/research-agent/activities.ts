import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { activityInfo, heartbeat, sleep } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { pickSentences, relevance, sentencesOf, writeDraft } from "./model.ts";
import type { Draft, SearchHit, Summary } from "./report.ts";

export type ResearchActivities = ReturnType<typeof createActivities>;

type Source = {
  readonly title: string;
  readonly text: string;
  /** The source answers "busy" this many times before it answers. */
  readonly hiccups: number;
  /** The source is listed, but it is not there any more. */
  readonly gone: boolean;
};

/** `corpusDir` is the library that is searched; `deskDir` gets `inbox/` (drafts to review) and `published/`. */
export function createActivities({ corpusDir, deskDir }: { corpusDir: string; deskDir: string }) {
  const put = (folder: "inbox" | "published", name: string, text: string): string => {
    mkdirSync(join(deskDir, folder), { recursive: true });
    const file = join(deskDir, folder, `${name}.md`);
    // A reader never sees half a file, and a repeated attempt replaces its own.
    writeFileSync(`${file}.part`, text);
    renameSync(`${file}.part`, file);
    return file;
  };

  return {
    async searchCorpus({ question, hitsMax }: { question: string; hitsMax: number }): Promise<SearchHit[]> {
      await sleep(150);
      const hits = readdirSync(corpusDir)
        .filter((name) => name.endsWith(".md"))
        .map((sourceId) => ({ sourceId, source: parseSource(readFileSync(join(corpusDir, sourceId), "utf8")) }))
        .map(({ sourceId, source }) => ({ sourceId, title: source.title, score: relevance(question, `${source.title} ${source.text}`) }))
        .sort((a, b) => b.score - a.score || a.sourceId.localeCompare(b.sourceId));
      // A source that knows less than half as much as the best one is about something else.
      const scoreMin = Math.max(1, (hits[0]?.score ?? 0) / 2);
      return hits
        .filter(({ score }) => score >= scoreMin)
        .slice(0, hitsMax)
        .map(({ sourceId, title }) => ({ sourceId, title }));
    },

    async fetchSource(sourceId: string): Promise<string> {
      await workFor(300);
      const source = parseSource(readFileSync(join(corpusDir, sourceId), "utf8"));
      if (source.gone) throw ApplicationFailure.nonRetryable(`${sourceId} answers 410 gone`, "SourceGone");
      if (activityInfo().attempt <= source.hiccups) throw ApplicationFailure.retryable(`${sourceId} answers 503 busy`, "SourceBusy");
      return source.text;
    },

    async summarize({ question, text, ...hit }: SearchHit & { question: string; text: string }): Promise<Summary> {
      await workFor(400);
      return { ...hit, sentences: pickSentences(question, sentencesOf(text), 5) };
    },

    async draftReport(order: { question: string; summaries: readonly Summary[]; revisionNotes: readonly string[] }): Promise<Draft> {
      await sleep(250);
      // Hosted models refuse for a while and say for how long; the server then waits just that long.
      if (activityInfo().attempt === 1 && order.revisionNotes.length === 0)
        throw ApplicationFailure.create({
          message: "the model answers 429, try again in 400 ms",
          type: "RateLimited",
          nextRetryDelay: 400,
        });
      return writeDraft(order.question, order.summaries, order.revisionNotes);
    },

    async requestReview(draft: Draft): Promise<void> {
      put("inbox", `${workflowId()}-draft-${draft.revision}`, draft.text);
    },

    async publishReport(draft: Draft): Promise<string> {
      return put("published", workflowId(), draft.text);
    },
  };
}

const workflowId = (): string => activityInfo().workflowExecution?.workflowId ?? "";

/** Waits in small steps and says after each that this worker is alive. */
async function workFor(totalMs: number): Promise<void> {
  const stepMs = 100;
  for (let spentMs = 0; spentMs < totalMs; spentMs += stepMs) {
    heartbeat(spentMs);
    await sleep(stepMs);
  }
}

function parseSource(document: string): Source {
  return {
    title: /^# (.*)$/m.exec(document)?.[1] ?? "untitled",
    text: document.replace(/^(#|<!--).*$/gm, "").trim(),
    hiccups: Number(/<!-- hiccups: (\d+) -->/.exec(document)?.[1] ?? 0),
    gone: document.includes("<!-- gone -->"),
  };
}
