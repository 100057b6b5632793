import { appendFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { activityInfo } from "@temporalio/activity";

/** Every third number fails at first, so that retries are among what is interrupted. */
export async function double(number: number): Promise<number> {
  await delay(number % 40);
  if (number % 3 === 0 && activityInfo().attempt === 1) throw new Error("not at the first attempt");
  return 2 * number;
}

/** An effect that can be seen from outside. */
export const refund = (effectsFile: string, order: string): Promise<void> => appendFile(effectsFile, `${order}\n`);
