import { createRequire } from "node:module";
import type { ActivityInterceptorsFactory, BundleOptions, ReplayWorkerOptions, WorkerOptions } from "@temporalio/worker";
import { type Asks, activityInterceptors } from "./activity-interceptors.ts";
import type { KernelOptions } from "./kernel.ts";
import { usageCodec } from "./usage-codec.ts";

export { type Asks, approvalRequired, overdue, throttled, unavailable } from "./activity-interceptors.ts";
export type { KernelOptions } from "./kernel.ts";

export type PluginOptions = {
  /** The HTTP port of the server, or of another that only decides. */
  readonly kernel?: KernelOptions;
  /**
   * Which activities ask there before they run. `local-activities` by default, since no server sees these beforehand; `all-activities` on a
   * Temporal cluster that has no policy of its own.
   */
  readonly asks?: Asks;
};

/** For `plugins` of a worker, and of `bundleWorkflowCode` where workflow code is bundled beforehand. */
export type HoldfastPlugin = {
  readonly name: string;
  configureWorker(options: WorkerOptions): WorkerOptions;
  configureReplayWorker(options: ReplayWorkerOptions): ReplayWorkerOptions;
  configureBundler(options: BundleOptions): BundleOptions;
};

export function holdfastPlugin({ kernel = {}, asks = "local-activities" }: PluginOptions = {}): HoldfastPlugin {
  return {
    name: "holdfast",
    configureWorker: (options) => ({
      ...options,
      dataConverter: { ...options.dataConverter, payloadCodecs: [...(options.dataConverter?.payloadCodecs ?? []), usageCodec] },
      interceptors: {
        ...options.interceptors,
        ...workflowModules(options),
        // The first is the outermost: nobody's code runs before the decision.
        activity: [activityInterceptors(kernel, asks), ...(options.interceptors?.activity ?? [])],
      },
    }),
    configureReplayWorker: (options) => ({ ...options, interceptors: { ...options.interceptors, ...workflowModules(options) } }),
    configureBundler: (options) => ({
      ...options,
      workflowInterceptorModules: [workflowModule(), ...(options.workflowInterceptorModules ?? [])],
    }),
  };
}

/** Only the questions to a kernel before each activity, without the plugin: for `interceptors.activity` of a worker on any cluster. */
export const remoteKernel = (kernel: KernelOptions): ActivityInterceptorsFactory => activityInterceptors(kernel, "all-activities");

const workflowModule = (): string => createRequire(import.meta.url).resolve("@holdfast/sdk/workflow-interceptors");

/** A bundle that was made beforehand has its modules, or not: the worker cannot add any. */
const workflowModules = ({ workflowBundle, interceptors }: Pick<WorkerOptions, "workflowBundle" | "interceptors">) =>
  workflowBundle === undefined ? { workflowModules: [workflowModule(), ...(interceptors?.workflowModules ?? [])] } : {};
