/** Where the workers of this example poll. */
export const researchTaskQueue = "research-agent";

export type SearchHit = { readonly sourceId: string; readonly title: string };

export type Summary = SearchHit & { readonly sentences: readonly string[] };

export type Draft = { readonly question: string; readonly revision: number; readonly text: string };

/** The editor's answer to a draft. */
export type Review =
  | { readonly approved: true; readonly reviewer: string }
  | { readonly approved: false; readonly reviewer: string; readonly feedback: string };

export type Progress = {
  readonly phase: "searching" | "reading" | "drafting" | "awaiting-approval" | "published" | "rejected" | "expired";
  readonly sourcesRead: number;
  readonly sourcesLost: readonly string[];
  readonly draft?: Draft;
};

export type Publication = { readonly file: string; readonly revision: number; readonly sourcesRead: number };
