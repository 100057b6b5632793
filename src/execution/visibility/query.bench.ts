import { bench } from "vitest";
import { searchAttributeTypes } from "../search-attributes.ts";
import { parseVisibilityQuery } from "./query.ts";

const types = searchAttributeTypes(new Map());

bench("typical: type, status, time and prefix", () => {
  parseVisibilityQuery(
    "WorkflowType = 'Order' AND ExecutionStatus = 'Running' AND StartTime > '2026-01-02T03:04:05Z' AND WorkflowId STARTS_WITH 'order-'",
    types,
  );
});

const widest = `WorkflowId IN (${Array.from({ length: 999 }, (_, index) => `'order-${index}'`).join(",")})`;
bench("widest: IN with 999 values", () => {
  parseVisibilityQuery(widest, types);
});

const openEnded = `WorkflowId = '${"''".repeat(32_000)}`;
bench("64 KiB of quotes without an end", () => {
  parseVisibilityQuery(openEnded, types);
});
