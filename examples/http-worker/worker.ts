// A worker that needs nothing but Node: takes jobs over HTTP, one at a time, and does them.
//
//     npx tsx worker.ts job.greet

import { BadInput, serve, type Work } from "./serve.ts";

const greet: Work = ({ activity_type, job_id, attempt, input: [argument] }) => {
  console.log(activity_type, job_id);
  const { name } = (argument ?? {}) as { readonly name?: string };
  if (name === undefined) throw new BadInput("whom to greet?");
  return { greeting: `Hello, ${name}!`, attempt };
};

const taskQueue = process.argv[2] ?? "job.greet";
console.log(`waits for ${taskQueue}`);
await serve(taskQueue, greet);
