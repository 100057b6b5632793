import { compileGlob } from "../../governance/policy/glob.ts";

/** Which task queue the workers of a topic poll. */
export type RouteTopic = (topic: string) => string;

/** Patterns of topics with the task queue of those that fit. The first that fits counts; a topic that none fits is its own task queue. */
export function createRoutes(routes: { readonly [topics: string]: string }): RouteTopic {
  const compiled = Object.entries(routes).map(([pattern, taskQueue]) => ({ glob: compileGlob(pattern), taskQueue }));
  return (topic) => compiled.find(({ glob }) => glob?.fits(topic) === true)?.taskQueue ?? topic;
}
