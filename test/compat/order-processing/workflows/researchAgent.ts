// biome-ignore-all format: published code, kept as printed
// biome-ignore-all lint: published code, kept as printed
// biome-ignore-all assist: published code, kept as printed
// @ts-nocheck The printed code does not type-check in strict mode; lines that end in "gap" are not part of it.
// workflows/researchAgent.ts
import { proxyActivities, defineSignal, setHandler, condition } from '@temporalio/workflow';
import type * as activities from '../researchActivities'; // gap
import { workflow } from './workflow'; // gap: the SDK has no export of this name

const {
  searchWeb,
  fetchPageContent,
  summarizeContent,
  draftReport,
  sendForHumanReview,
  publishReport,
} = proxyActivities<typeof activities>({
  startToCloseTimeout: '5 minutes',
  retry: {
    maximumAttempts: 3,
    initialInterval: '2 seconds',
    backoffCoefficient: 2,
  },
});

// Human approval signal
export const approveReportSignal = defineSignal<[{ approved: boolean; feedback?: string }]>('approveReport');

export async function researchAgentWorkflow(topic: string): Promise<string> {
  let humanApproval: { approved: boolean; feedback?: string } | null = null;

  setHandler(approveReportSignal, (approval) => {
    humanApproval = approval;
  });

  // Step 1: Search for relevant sources
  const searchResults = await searchWeb({ query: topic, maxResults: 20 });

  // Step 2: Fetch and summarize content from top sources (fan-out)
  const summaries = await Promise.all(
    searchResults.slice(0, 5).map(result =>
      fetchPageContent({ url: result.url })
        .then(content => summarizeContent({ content, topic }))
    )
  );

  // Step 3: Draft a consolidated report using an LLM
  const draft = await draftReport({
    topic,
    summaries,
    wordTarget: 2000,
  });

  // Step 4: Send for human review — workflow pauses here
  await sendForHumanReview({
    draft,
    reviewerEmail: 'editor@amtocsoft.com',
    workflowId: workflow.info().workflowId,
  });

  // Wait up to 48 hours for human approval
  const approved = await condition(
    () => humanApproval !== null,
    '48 hours'
  );

  if (!approved || !humanApproval?.approved) {
    // Timeout or rejection — revise based on feedback
    if (humanApproval?.feedback) {
      const revisedDraft = await draftReport({
        topic,
        summaries,
        wordTarget: 2000,
        revisionNotes: humanApproval.feedback,
      });
      return revisedDraft;
    }
    throw new Error('Report not approved within deadline');
  }

  // Step 5: Publish the approved report
  const publishedUrl = await publishReport({ content: draft });
  return publishedUrl;
}
