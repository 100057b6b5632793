import { ApplicationFailure, condition, defineQuery, defineSignal, proxyActivities, setHandler } from "@temporalio/workflow";
import type { ResearchActivities } from "./activities.ts";
import type { Draft, Progress, Publication, Review, Summary } from "./report.ts";

export const approveReport = defineSignal<[Review]>("approveReport");
export const getProgress = defineQuery<Progress>("getProgress");

const sourcesMax = 5;
const revisionsMax = 4;

const { searchCorpus, draftReport, requestReview, publishReport } = proxyActivities<ResearchActivities>({
  startToCloseTimeout: "10 seconds",
  retry: { initialInterval: "300 milliseconds", backoffCoefficient: 2, maximumAttempts: 8 },
});

// Reading is the long part: a heartbeat tells within 2 seconds that a worker is gone.
const { fetchSource, summarize } = proxyActivities<ResearchActivities>({
  startToCloseTimeout: "1 minute",
  heartbeatTimeout: "2 seconds",
  retry: { initialInterval: "300 milliseconds", backoffCoefficient: 2, maximumAttempts: 8 },
});

/** Reads what the library has on a question, writes a report, and publishes it once an editor has approved it. */
export async function researchAgent(question: string): Promise<Publication> {
  const reviews: Review[] = [];
  let progress: Progress = { phase: "searching", sourcesRead: 0, sourcesLost: [] };
  setHandler(approveReport, (review) => {
    reviews.push(review);
  });
  setHandler(getProgress, () => progress);

  const hits = await searchCorpus({ question, hitsMax: sourcesMax });
  progress = { ...progress, phase: "reading" };

  // Fan-out: every source on its own, so that one that fails neither stops nor delays the others.
  const summaries: Summary[] = [];
  const read = await Promise.allSettled(hits.map(async (hit) => summarize({ ...hit, question, text: await fetchSource(hit.sourceId) })));
  read.forEach((outcome, index) => {
    const sourceId = hits[index]?.sourceId ?? "";
    if (outcome.status === "fulfilled") summaries.push(outcome.value);
    else progress = { ...progress, sourcesLost: [...progress.sourcesLost, sourceId] };
  });
  if (summaries.length === 0) throw ApplicationFailure.nonRetryable(`the library has nothing on "${question}"`, "NoSources");
  progress = { ...progress, sourcesRead: summaries.length };

  const revisionNotes: string[] = [];
  while (revisionNotes.length < revisionsMax) {
    progress = { ...progress, phase: "drafting" };
    const draft: Draft = await draftReport({ question, summaries, revisionNotes });
    await requestReview(draft);

    // Nothing runs and no worker holds anything while the editor thinks: two days are one timer in the server.
    progress = { ...progress, phase: "awaiting-approval", draft };
    await condition(() => reviews.length > 0, "48 hours");
    const review = reviews.shift();
    if (review === undefined) {
      progress = { ...progress, phase: "expired" };
      throw ApplicationFailure.nonRetryable("no editor answered within 48 hours", "ApprovalExpired");
    }
    if (review.approved) {
      const file = await publishReport(draft);
      progress = { ...progress, phase: "published" };
      return { file, revision: draft.revision, sourcesRead: summaries.length };
    }
    revisionNotes.push(review.feedback);
  }
  progress = { ...progress, phase: "rejected" };
  throw ApplicationFailure.nonRetryable(`not approved after ${revisionsMax} drafts`, "ReportRejected");
}
