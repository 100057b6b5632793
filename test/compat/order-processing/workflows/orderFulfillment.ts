// biome-ignore-all format: published code, kept as printed
// biome-ignore-all lint: published code, kept as printed
// biome-ignore-all assist: published code, kept as printed
// @ts-nocheck The printed code does not type-check in strict mode; lines that end in "gap" are not part of it.
// workflows/orderFulfillment.ts
import { proxyActivities, defineSignal, setHandler, condition } from '@temporalio/workflow';
import type * as activities from '../activities';
import { defineQuery } from '@temporalio/workflow'; // gap
import { workflow } from './workflow'; // gap: the SDK has no export of this name
import type { FulfillmentResult } from '../activities'; // gap

// Import activities as proxies — the SDK intercepts these calls
const {
  validateOrder,
  reserveInventory,
  releaseInventory, // gap
  chargePayment,
  createShipmentRecord,
  notifyWarehouse,
  sendConfirmationEmail,
  updateOrderStatus,
} = proxyActivities<typeof activities>({
  startToCloseTimeout: '2 minutes',
  retry: {
    maximumAttempts: 10,
    initialInterval: '1 second',
    backoffCoefficient: 2,
    maximumInterval: '5 minutes',
  },
});

// Signals allow external systems to communicate with running workflows
export const cancelOrderSignal = defineSignal<[{ reason: string }]>('cancelOrder');

// Queries allow external systems to read workflow state
export const getStatusQuery = defineQuery<string>('getStatus');

export async function orderFulfillmentWorkflow(orderId: string): Promise<FulfillmentResult> {
  let status = 'starting';
  let cancelRequested = false;
  let cancelReason = '';

  // Register signal handler — workflow can receive signals at any point
  setHandler(cancelOrderSignal, ({ reason }) => {
    cancelRequested = true;
    cancelReason = reason;
  });

  // Register query handler — external systems can read current state
  setHandler(getStatusQuery, () => status);

  try {
    status = 'validating';
    const order = await validateOrder(orderId);

    // Check for cancellation between steps
    if (cancelRequested) {
      await updateOrderStatus(orderId, 'cancelled', { cancelReason });
      return { orderId, status: 'cancelled', cancelReason };
    }

    status = 'reserving-inventory';
    await reserveInventory(order);

    if (cancelRequested) {
      // Release the reservation we just made before cancelling
      await releaseInventory(order);
      await updateOrderStatus(orderId, 'cancelled', { cancelReason });
      return { orderId, status: 'cancelled', cancelReason };
    }

    status = 'charging-payment';
    const transactionId = await chargePayment(order);

    // Past this point, cancellation requires a refund flow — different workflow
    status = 'creating-shipment';
    const shipmentId = await createShipmentRecord(order, transactionId);

    status = 'notifying-warehouse';
    await notifyWarehouse(order, shipmentId);

    status = 'sending-confirmation';
    const estimatedDelivery = calculateEstimatedDelivery(order.shippingAddress);
    await sendConfirmationEmail(order, shipmentId, estimatedDelivery);

    status = 'fulfilled';
    await updateOrderStatus(orderId, 'fulfilled', {
      transactionId,
      shipmentId,
      estimatedDelivery,
    });

    return { orderId, transactionId, shipmentId, estimatedDelivery };

  } catch (error) {
    status = 'failed';
    await updateOrderStatus(orderId, 'failed', {
      errorMessage: error.message,
    });
    throw error;
  }
}

// This function is safe to call in workflow code because it's pure/deterministic
function calculateEstimatedDelivery(address: string): string {
  // This would need to be an activity if it made external calls
  // Since it's pure calculation, it can live in workflow code
  const deliveryDays = address.includes('CA') ? 3 : 5;
  const delivery = new Date(workflow.now() + deliveryDays * 24 * 60 * 60 * 1000);
  return delivery.toISOString().split('T')[0];
}
