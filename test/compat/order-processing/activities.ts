// biome-ignore-all format: published code, kept as printed
// biome-ignore-all lint: published code, kept as printed
// biome-ignore-all assist: published code, kept as printed
// @ts-nocheck The printed code does not type-check in strict mode; lines that end in "gap" are not part of it.
// activities.ts
import { ApplicationFailure } from '@temporalio/activity';
import { db, emailService, inventoryService, paymentProcessor, shippingService, warehouseService } from './services'; // gap

export interface Order {
  orderId: string;
  customerId: string;
  items: Array<{ productId: string; quantity: number; price: number }>;
  totalAmount: number;
  shippingAddress: string;
}

export interface FulfillmentResult {
  orderId: string;
  transactionId: string;
  shipmentId: string;
  estimatedDelivery: string;
}

export async function validateOrder(orderId: string): Promise<Order> {
  // Fetch order from database
  const order = await db.orders.findById(orderId);
  if (!order) {
    // Non-retryable: the order doesn't exist
    throw ApplicationFailure.create({
      message: `Order ${orderId} not found`,
      nonRetryable: true,
    });
  }
  if (order.status !== 'pending') {
    throw ApplicationFailure.create({
      message: `Order ${orderId} is not in pending state`,
      nonRetryable: true,
    });
  }
  return order;
}

export async function reserveInventory(order: Order): Promise<void> {
  // Call inventory service — retriable on transient failures
  const response = await inventoryService.reserve({
    orderId: order.orderId,
    items: order.items,
  });
  if (!response.success) {
    if (response.reason === 'OUT_OF_STOCK') {
      throw ApplicationFailure.create({
        message: `Inventory unavailable for order ${order.orderId}`,
        nonRetryable: true,
      });
    }
    throw new Error(`Inventory reservation failed: ${response.reason}`);
  }
}

export async function chargePayment(order: Order): Promise<string> {
  // Idempotency key ensures no double charges on retry
  const idempotencyKey = `order-${order.orderId}-charge`;
  const result = await paymentProcessor.charge({
    customerId: order.customerId,
    amount: order.totalAmount,
    idempotencyKey,
  });
  if (!result.success) {
    throw ApplicationFailure.create({
      message: `Payment failed: ${result.declineReason}`,
      nonRetryable: true,  // Don't retry declined payments
    });
  }
  return result.transactionId;
}

export async function createShipmentRecord(
  order: Order,
  transactionId: string
): Promise<string> {
  const shipment = await shippingService.create({
    orderId: order.orderId,
    address: order.shippingAddress,
    items: order.items,
    transactionId,
  });
  return shipment.shipmentId;
}

export async function notifyWarehouse(
  order: Order,
  shipmentId: string
): Promise<void> {
  await warehouseService.dispatch({
    shipmentId,
    items: order.items,
    pickupDeadline: new Date(Date.now() + 2 * 60 * 60 * 1000).toISOString(),
  });
}

export async function sendConfirmationEmail(
  order: Order,
  shipmentId: string,
  estimatedDelivery: string
): Promise<void> {
  await emailService.send({
    to: order.customerId,
    template: 'order-confirmation',
    data: { orderId: order.orderId, shipmentId, estimatedDelivery },
  });
}

export async function updateOrderStatus(
  orderId: string,
  status: string,
  metadata: Record<string, string>
): Promise<void> {
  await db.orders.update(orderId, { status, ...metadata });
}

export async function releaseInventory(order: Order): Promise<void> { // gap
  await inventoryService.release({ orderId: order.orderId }); // gap
} // gap
