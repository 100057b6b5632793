import { compileGlob } from "../../governance/policy/glob.ts";

/** Which task queue the workers of a topic poll. */
export type RouteTopic = (topic: string) => string;

/**
 * Patterns of topics with the task queue of those that fit. The first that fits counts; a topic that none fits is its own task queue. Throws
 * when one is no pattern: the server does not start.
 */
export function createRoutes(routes: { readonly [topics: string]: string }): RouteTopic {
  const compiled = Object.entries(routes).map(([pattern, taskQueue]) => {
    const glob = compileGlob(pattern);
    if (glob === null) throw new Error(`routes: \`${pattern}\` is neither a topic nor a pattern such as \`job.incident.*\``);
    return { glob, taskQueue };
  });
  return (topic) => compiled.find(({ glob }) => glob.fits(topic))?.taskQueue ?? topic;
}
