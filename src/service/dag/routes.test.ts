import { expect, test } from "vitest";
import { createRoutes } from "./routes.ts";

const routeTopic = createRoutes({ "job.incident.detect": "detectors", "job.incident.*": "incidents", "job.?": "letters" });

test.each([
  ["job.incident.detect", "detectors"],
  ["job.incident.patch.apply", "incidents"],
  ["job.a", "letters"],
  ["job.billing", "job.billing"],
])("%s → %s", (topic, taskQueue) => {
  expect(routeTopic(topic)).toBe(taskQueue);
});

test("refuses what is no pattern", () => {
  expect(() => createRoutes({ "job.[": "x" })).toThrow("routes: `job.[` is neither a topic nor a pattern such as `job.incident.*`");
});
