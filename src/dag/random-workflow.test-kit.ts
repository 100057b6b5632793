import fc from "fast-check";
import type { Json } from "./json.ts";

/** Definitions of up to twelve steps of all types, with dependencies, branches, handlers, repetitions and compensations. */
export const randomWorkflow: fc.Arbitrary<{ readonly [key: string]: Json }> = fc
  .record({
    steps: fc.array(
      fc.record({
        kind: fc.constantFrom("job", "job", "job", "approval", "delay", "signal", "transform", "condition", "subworkflow"),
        dependsOn: fc.array(fc.nat(11), { maxLength: 3 }),
        attempts: fc.integer({ min: 1, max: 3 }),
        compensates: fc.boolean(),
        continues: fc.constantFrom(false, false, false, true),
        items: fc.constantFrom(null, null, null, 0, 1, 4),
        handler: fc.option(fc.nat(11), { freq: 5 }),
        condition: fc.constantFrom(null, null, null, "input.yes", "input.no", "input.no.such + 1"),
        timed: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    ),
    composites: fc.array(
      fc.record({
        kind: fc.constantFrom("parallel", "switch", "loop"),
        inner: fc.array(fc.nat(11), { minLength: 1, maxLength: 4 }),
        dependsOn: fc.array(fc.nat(11), { maxLength: 2 }),
        required: fc.integer({ min: 1, max: 4 }),
        parallelMax: fc.integer({ min: 1, max: 3 }),
        chosen: fc.nat(3),
        turns: fc.integer({ min: 1, max: 3 }),
        timed: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
    compensateOn: fc.constantFrom(null, ["failed", "denied", "timed_out", "cancelled"], []),
    timed: fc.boolean(),
  })
  .map(({ steps, composites, compensateOn, timed }) => {
    const idOf = (index: number): string => `s${index % steps.length}`;
    const claimed = new Set<string>();
    const claim = (id: string): boolean => !claimed.has(id) && claimed.add(id).size > 0;
    const result: { [id: string]: { [key: string]: Json } } = {};
    const bodies = new Set<string>();
    composites.forEach(({ kind, inner, dependsOn, required, parallelMax, chosen, turns, timed: isTimed }, index) => {
      const ids = [...new Set(inner.map(idOf))].filter(claim).slice(0, kind === "loop" ? 1 : 4);
      for (const id of inner.map(idOf)) if (!ids.includes(id)) claimed.delete(id);
      for (const id of ids) claimed.add(id);
      const [first] = ids;
      if (first === undefined) return;
      const common = {
        type: kind,
        depends_on: dependsOn.map(idOf).filter((id) => !ids.includes(id)),
        ...(isTimed ? { timeout: "1h" } : {}),
      };
      if (kind === "parallel")
        result[`p${index}`] = { ...common, input: { steps: ids, required: Math.min(required, ids.length), max_parallel: parallelMax } };
      else if (kind === "switch")
        result[`w${index}`] = {
          ...common,
          condition: `${chosen}`,
          input: { cases: ids.map((target, position) => ({ when: position, target })) },
        };
      else {
        bodies.add(first);
        result[`l${index}`] = { ...common, input: { body: first, max_iterations: turns } };
      }
    });
    steps.forEach(({ kind, dependsOn, attempts, compensates, continues, items, handler, condition, timed: isTimed }, index) => {
      const id = `s${index}`;
      const isBody = bodies.has(id);
      const step: { [key: string]: Json } = { type: kind };
      // Backwards only, so that most graphs have no cycle; composites may still make one, which the parser refuses.
      if (!isBody) step.depends_on = dependsOn.filter((one) => one % steps.length < index).map(idOf);
      if (kind === "job") step.topic = "job.any";
      if (kind === "delay") step.delay = "1m";
      if (kind === "transform") step.input = { n: index };
      if (kind === "subworkflow") step.input = { workflow_id: "other" };
      if (kind === "signal" && isTimed) step.timeout = "1h";
      if (kind === "condition") step.condition = "input.yes";
      else if (condition !== null && !isBody) step.condition = condition;
      if ((kind === "job" || kind === "subworkflow") && attempts > 1) step.retries = { max_attempts: attempts, backoff_ms: 0 };
      if ((kind === "job" || kind === "subworkflow") && compensates)
        step.compensate = { topic: "job.undo", retries: { max_attempts: 2, backoff_ms: 5 } };
      if (items !== null && kind !== "signal" && !isBody) {
        step.for_each = `input.lists.n${items}`;
        step.max_parallel = 2;
      }
      if (continues && !isBody) step.continue_on_error = true;
      if (handler !== null && !isBody && handler % steps.length > index && !claimed.has(idOf(handler))) step.on_error = idOf(handler);
      result[id] = step;
    });
    return {
      steps: result,
      ...(compensateOn === null ? {} : { compensate_on: compensateOn }),
      ...(timed ? { timeout: "1d" } : {}),
    };
  });

export const randomInput: Json = { yes: true, lists: { n0: [], n1: [1], n4: [1, 2, 3, 4] } };
