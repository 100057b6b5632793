import type { Place } from "../../language/reader.ts";
import type { StepFields, StepType } from "../spec/fields.ts";
import type { Linker } from "../spec/linker.ts";
import { type ActivityKind, linkActivity, linkJob } from "./activity.ts";
import { linkApproval } from "./approval.ts";
import { type ConditionKind, linkCondition } from "./condition.ts";
import { type DelayKind, linkDelay } from "./delay.ts";
import { linkHttp } from "./http.ts";
import { type LoopKind, linkLoop } from "./loop.ts";
import { linkNotify, type NoticeKind } from "./notify.ts";
import { linkParallel, type ParallelKind } from "./parallel.ts";
import { linkSignal, type SignalKind } from "./signal.ts";
import { linkStorage, type StorageKind } from "./storage.ts";
import { linkSubworkflow, type SubworkflowKind } from "./subworkflow.ts";
import { linkSwitch, type SwitchKind } from "./switch.ts";
import { linkTransform, type TransformKind } from "./transform.ts";

/** What one action does: it can be repeated over items, and be the body of a loop. */
export type LeafKind = ActivityKind | NoticeKind | ConditionKind | DelayKind | TransformKind | StorageKind | SubworkflowKind | SignalKind;
/** What starts other steps. */
export type CompositeKind = SwitchKind | ParallelKind | LoopKind;
export type StepKind = LeafKind | CompositeKind;

/** Turns the fields of a step into what it does, and reports what is wrong with them. */
type Link = (fields: StepFields, at: Place, link: Linker, id: string) => StepKind | undefined;

export const links: { readonly [T in StepType]: Link } = {
  job: linkJob,
  activity: linkActivity,
  approval: linkApproval,
  notify: linkNotify,
  http: linkHttp,
  condition: linkCondition,
  switch: linkSwitch,
  parallel: linkParallel,
  loop: linkLoop,
  delay: linkDelay,
  transform: linkTransform,
  storage: linkStorage,
  subworkflow: linkSubworkflow,
  signal: (fields, at, _link, id) => linkSignal(fields, at, id),
};
