import type { Setting } from "./scenario.ts";
import { openSdkLoad, type Round, type SdkLoad, type Shape } from "./sdk-load.ts";
import { databaseKib, type Server, type ServerOptions, startServer } from "./server.ts";

/** The rounds of a server, and what its database file holds after an orderly stop. */
export type Side = { readonly rounds: readonly Round[]; readonly databaseKib: number };

/**
 * The same regular steps on two servers that differ in their options. Both run all the time and take turns, so that what else the machine does
 * meets both; what is to be compared is the two rounds of a turn.
 */
export async function inTurns(
  { quick, say, folder, cpuProf }: Setting,
  { name, shape, off, on }: { readonly name: string; readonly shape: Shape; readonly off: ServerOptions; readonly on: ServerOptions },
): Promise<{ readonly off: Side; readonly on: Side }> {
  const open = async (options: ServerOptions) => {
    const own = folder(name);
    const { server } = await startServer(own, { cpuProf, ...options });
    return { folder: own, server, load: await openSdkLoad(server, own), rounds: [] as Round[] };
  };
  const [without, having] = [await open(off), await open(on)];
  for (const { load } of [without, having]) for (let warmUp = 0; warmUp < (quick ? 1 : 2); warmUp++) await load.round("regular", shape);
  for (let turn = 0; turn < (quick ? 4 : 10); turn++) {
    // Whoever is second in a turn finds the machine as the first has left it.
    for (const { load, rounds } of turn % 2 === 0 ? [without, having] : [having, without]) rounds.push(await load.round("regular", shape));
    say(
      `${[without, having].map(({ rounds }) => Math.round(rounds.at(-1)?.perSecond ?? Number.NaN)).join(` steps/s without, with ${name} `)}`,
    );
  }
  const close = async (side: { folder: string; server: Server; load: SdkLoad; rounds: Round[] }): Promise<Side> => {
    await side.load.close();
    await side.server.stop();
    return { rounds: side.rounds, databaseKib: databaseKib(side.folder) };
  };
  return { off: await close(without), on: await close(having) };
}

/** What each turn's second figure is beside its first. */
export const turnByTurn = (
  { off, on }: { readonly off: Side; readonly on: Side },
  compare: (off: Round, on: Round) => number,
): readonly number[] =>
  off.rounds.flatMap((round, turn) => {
    const other = on.rounds[turn];
    return other === undefined ? [] : [compare(round, other)];
  });

export const throughputLost = (off: Round, on: Round): number => 100 * (1 - on.perSecond / off.perSecond);
export const cpuAddedUs = (off: Round, on: Round): number => (on.serverCpuMs - off.serverCpuMs) * 1_000;
