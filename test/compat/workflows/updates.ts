import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  proxyActivities,
  setHandler,
} from "@temporalio/workflow";

export type Activities = { double(amount: number): Promise<number> };
const { double } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });

export const add = defineUpdate<number, [number]>("add");
export const addDoubled = defineUpdate<number, [number]>("addDoubled");
export const failInside = defineUpdate<void>("failInside");
export const waitForRelease = defineUpdate<string>("waitForRelease");
export const total = defineQuery<number>("total");
export const release = defineSignal("release");
export const finish = defineSignal<[{ waitForHandlers: boolean }]>("finish");
export const startOver = defineSignal("startOver");

/** A sum that updates change. It ends with the sum when it is told to. */
export async function counter(from = 0): Promise<number> {
  let sum = from;
  let released = false;
  let end: { waitForHandlers: boolean } | undefined;
  let again = false;
  const positive = (amount: number) => {
    if (amount <= 0) throw new RangeError(`${amount} is not positive`);
  };
  setHandler(total, () => sum);
  setHandler(add, (amount) => (sum += amount), { validator: positive });
  setHandler(
    addDoubled,
    async (amount) => {
      const doubled = await double(amount);
      sum += doubled;
      return sum;
    },
    { validator: positive },
  );
  setHandler(failInside, () => {
    throw ApplicationFailure.create({ message: "accepted, then refused", type: "Refused" });
  });
  setHandler(waitForRelease, async () => {
    await condition(() => released);
    return "released";
  });
  setHandler(release, () => {
    released = true;
  });
  setHandler(finish, (how) => {
    end = how;
  });
  setHandler(startOver, () => {
    again = true;
  });
  await condition(() => end !== undefined || again);
  if (again) await continueAsNew<typeof counter>(sum);
  if (end?.waitForHandlers) await condition(allHandlersFinished);
  return sum;
}
