// biome-ignore-all format: published code, kept as printed
// biome-ignore-all lint: published code, kept as printed
// biome-ignore-all assist: published code, kept as printed
// @ts-nocheck The printed code does not type-check in strict mode; lines that end in "gap" are not part of it.
// client.ts
import { Client } from '@temporalio/client';
import { orderFulfillmentWorkflow, getStatusQuery, cancelOrderSignal } from './workflows/orderFulfillment';

import { Connection } from '@temporalio/client'; // gap

const [, , orderId] = process.argv; // gap
const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS }); // gap: not on the default port
const client = new Client({ connection });

// Start a workflow
const handle = await client.workflow.start(orderFulfillmentWorkflow, {
  taskQueue: 'order-fulfillment',
  workflowId: `order-${orderId}`,   // Deterministic ID enables deduplication
  args: [orderId],
});

console.log(`Started workflow: ${handle.workflowId}`);

// Query the status at any point — works even if the worker has been restarted
const status = await handle.query(getStatusQuery);
console.log(`Current status: ${status}`);

// Send a cancellation signal — the workflow will handle it at the next safe checkpoint
await handle.signal(cancelOrderSignal, { reason: 'Customer requested cancellation' });

// Wait for completion
const result = await handle.result();
console.log('Order fulfilled:', result);

await connection.close(); // gap
