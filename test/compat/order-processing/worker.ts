// biome-ignore-all format: published code, kept as printed
// biome-ignore-all lint: published code, kept as printed
// biome-ignore-all assist: published code, kept as printed
// @ts-nocheck The printed code does not type-check in strict mode; lines that end in "gap" are not part of it.
// worker.ts
import { Worker } from '@temporalio/worker';
import * as activities from './activities';
import { createRequire } from 'node:module'; // gap: the file runs as an ES module
import { NativeConnection } from '@temporalio/worker'; // gap

const require = createRequire(import.meta.url); // gap

async function run() {
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS }), // gap: not on the default port
    workflowsPath: require.resolve('./workflows/orderFulfillment'),
    activities,
    taskQueue: 'order-fulfillment',
    // Configure worker-level concurrency
    maxConcurrentActivityTaskExecutions: 100,
    maxConcurrentWorkflowTaskExecutions: 40,
  });

  await worker.run();
}

run().catch(console.error);
