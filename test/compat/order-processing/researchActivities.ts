// The activities that the tutorial's research agent calls without printing them.
import { activityInfo } from "@temporalio/activity";

type Approval = { readonly draft: string; readonly reviewerEmail: string; readonly workflowId: string };

/** Drafts that went to a reviewer, by workflow id. */
export const reviews = new Map<string, Approval>();

export async function searchWeb({ query, maxResults }: { query: string; maxResults: number }) {
  return Array.from({ length: maxResults }, (_, index) => ({ url: `https://library.example/${encodeURIComponent(query)}/${index + 1}` }));
}

export async function fetchPageContent({ url }: { url: string }) {
  // Every third source is busy at first; the retry policy heals it.
  if (url.endsWith("/3") && activityInfo().attempt === 1) throw new Error(`${url} answers 503`);
  return `content of ${url}`;
}

export async function summarizeContent({ content, topic }: { content: string; topic: string }) {
  return `${topic}: ${content}`;
}

export async function draftReport(request: { topic: string; summaries: string[]; wordTarget: number; revisionNotes?: string }) {
  const { topic, summaries, revisionNotes } = request;
  return `${topic}, from ${summaries.length} sources${revisionNotes ? `, revised: ${revisionNotes}` : ""}`;
}

export async function sendForHumanReview(approval: Approval) {
  reviews.set(approval.workflowId, approval);
}

export async function publishReport({ content }: { content: string }) {
  return `https://reports.example/${encodeURIComponent(content)}`;
}
