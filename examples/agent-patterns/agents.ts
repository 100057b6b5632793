// The agents, over HTTP. Their model is a script: it needs no account, costs nothing, and says the same every time.
import { BadInput, serve, type Task } from "../http-worker/serve.ts";

type Input = { readonly [key: string]: unknown };
type Said = { readonly speaker: string; readonly text: string };

const kinds = [
  // what the request mentions      who takes over
  [/refund|charged|invoice/i, "billing"],
  [/error|crash|login/i, "technical"],
] as const;

const lines: readonly Said[] = [
  { speaker: "architect", text: "One service is enough." },
  { speaker: "skeptic", text: "Not if billing must stay up when search is down." },
  { speaker: "architect", text: "Then two: billing by itself, and the rest." },
  { speaker: "skeptic", text: "Agreed." },
];

const answers: { readonly [topic: string]: (input: Input, attempt: number) => unknown } = {
  "job.agent.outline": ({ subject }) => [`What is ${subject}?`, `When does ${subject} pay off?`],
  "job.agent.draft": ({ outline }, attempt) => {
    if (attempt === 1) throw new Error("the model is overloaded");
    return (outline as readonly string[]).map((heading) => `${heading} it depends.`);
  },
  "job.agent.polish": ({ draft }) => (draft as readonly string[]).map((text) => text.replace("it depends", "It depends")).join(" "),
  "job.agent.review": ({ of, change }) => {
    if (of === "style") throw new BadInput(`${change}: no opinion on style`);
    return `${of}: fine`;
  },
  "job.agent.summarize": ({ opinions }) =>
    Object.values(opinions as Input)
      .filter((opinion) => opinion !== null)
      .sort(),
  "job.agent.triage": ({ text }) => ({ kind: kinds.find(([mentions]) => mentions.test(String(text)))?.[1] ?? "general" }),
  "job.agent.refund": () => ({ refunded: 20 }),
  "job.agent.fix": () => ({ fixed: true }),
  "job.agent.answer": () => ({ answered: true }),
  "job.agent.reply": ({ kind }) => `Your request went to ${kind}, and is done.`,
  "job.agent.speak": ({ turn, before }) => {
    const said = (before as { readonly said: readonly Said[] } | null)?.said ?? [];
    const next = lines[Number(turn)];
    if (next === undefined) throw new BadInput("nobody has anything to say");
    return { said: [...said, next], agreed: next.text === "Agreed." };
  },
};

/** Serves all of the agents, each on the task queue of its topic, until the signal is aborted. */
export async function serveAgents(server: string, signal: AbortSignal): Promise<void> {
  await Promise.all(Object.keys(answers).map((topic) => serve(topic, answer, { server, signal })));
}

function answer({ activity_type, job_id, input: [input] }: Task): unknown {
  // Every attempt of a step is a job of its own, with its number at the end.
  return answers[activity_type]?.(input as Input, Number(job_id.split("@").at(-1)));
}
