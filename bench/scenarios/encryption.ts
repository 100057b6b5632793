import { createSecretKey, randomBytes } from "node:crypto";
import { seal, unseal } from "../../src/store/encryption/sealed-blob.ts";
import type { Figure } from "../figure.ts";
import type { Scenario } from "../scenario.ts";
import type { Shape } from "../sdk-load.ts";
import { cpuAddedUs, inTurns, type Side, throughputLost, turnByTurn } from "../two-sides.ts";

const shape: Shape = { workflows: 200, steps: 5 };
/** About what a step writes at a time. */
const bodyBytes = 500;

/** The same steps on a server that stores in plain and on one that encrypts; and what one body costs, in this process. */
export const encryption: Scenario = async (setting) => {
  if (setting.address !== null) return [];
  const bodies = oneBody(setting.quick);
  const sides = await inTurns(setting, { name: "encryption", shape, off: {}, on: { encryptionKey: randomBytes(32).toString("base64") } });
  const name = `${shape.workflows} × ${shape.steps} regular`;
  const of = (label: string, { rounds, databaseKib }: Side): readonly Figure[] => [
    { name: `${name}, ${label}, steps`, unit: "/s", rounds: rounds.map(({ perSecond }) => perSecond) },
    { name: "  server CPU per step", unit: "ms", rounds: rounds.map(({ serverCpuMs }) => serverCpuMs) },
    { name: "  database in all", unit: "MiB", rounds: [databaseKib / 1024] },
  ];
  return [
    ...bodies,
    ...of("in plain", sides.off),
    ...of("encrypted", sides.on),
    {
      name: "cost of encryption: throughput lost",
      unit: "%",
      rounds: turnByTurn(sides, throughputLost),
      note: "of the two rounds of a turn",
    },
    { name: "  server CPU added per step", unit: "µs", rounds: turnByTurn(sides, cpuAddedUs) },
  ];
};

function oneBody(quick: boolean): readonly Figure[] {
  const dataKey = { id: 1, key: createSecretKey(randomBytes(32)) };
  const body = randomBytes(bodyBytes);
  const place = JSON.stringify(["history", "namespace", "order-1", "00000000-0000-4000-8000-000000000001", 17, 3]);
  const sealed = seal(dataKey, body, place);
  const measured = (work: () => unknown): readonly number[] =>
    Array.from({ length: quick ? 4 : 11 }, () => {
      const times = 20_000;
      const before = process.cpuUsage();
      for (let done = 0; done < times; done++) work();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / times;
    }).slice(1);
  return [
    { name: `a body of ${bodyBytes} bytes encrypted, CPU`, unit: "µs", rounds: measured(() => seal(dataKey, body, place)) },
    { name: "  decrypted", unit: "µs", rounds: measured(() => unseal(() => dataKey.key, sealed, place)) },
  ];
}
