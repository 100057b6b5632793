import type { Review } from "./report.ts";

/** What the main job asks, and what its editor answers to one draft after the other. */
export const questions: ReadonlyArray<{ readonly id: string; readonly question: string; readonly reviews: readonly Review[] }> = [
  {
    id: "research-heat-pumps",
    question: "Can a heat pump warm an old house?",
    reviews: [
      { approved: false, reviewer: "editor", feedback: "what about the price, and are there grants?" },
      { approved: true, reviewer: "editor" },
    ],
  },
  {
    id: "research-green-roofs",
    question: "What does a green roof need, and what does it give back?",
    reviews: [{ approved: true, reviewer: "editor" }],
  },
  {
    id: "research-rainwater",
    question: "Is it worth using rainwater in house and garden?",
    reviews: [{ approved: true, reviewer: "editor" }],
  },
];
