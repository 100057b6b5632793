import { join, relative, resolve } from "node:path";

/** Data and logs of the job; made anew by each run. */
export const dataDir = resolve(".holdfast/main-job");

export const file = (name: string): string => join(dataDir, name);

/** A path as a person at this prompt would write it. */
export const shown = (path: string): string => relative(process.cwd(), path) || ".";
