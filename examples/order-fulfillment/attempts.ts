import type { ActivityInterceptorsFactory } from "@temporalio/worker";
import type { Shop } from "./shop.ts";

/** Writes every start of an activity function into the shop's books, so that attempts can be held against effects. */
export const noteAttempts =
  (shop: Shop): ActivityInterceptorsFactory =>
  ({ info }) => ({
    inbound: {
      async execute(input, next) {
        const orderId = (info.workflowExecution?.workflowId ?? "").replace(/^order-/, "");
        const { activityType: activity, activityId, attempt } = info;
        const answered = shop.attemptStarted({ orderId, activity, activityId, attempt });
        try {
          const result = await next(input);
          answered("done");
          return result;
        } catch (error) {
          answered(`failed: ${error instanceof Error ? error.message : String(error)}`);
          throw error;
        }
      },
    },
  });
