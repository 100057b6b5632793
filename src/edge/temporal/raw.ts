// What grpc-js does with messages here: nothing. Codecs run in the handlers, where their errors become statuses of our own.

export const sendRaw = (message: Uint8Array): Buffer => Buffer.from(message.buffer, message.byteOffset, message.length);

/**
 * Decoded messages share the memory of what they were decoded from, and some live on in the cached state of a run: a small request is
 * taken out of the much larger block that it was read into.
 */
export const receiveRaw = (message: Buffer): Uint8Array =>
  message.buffer.byteLength > 2 * message.length
    ? new Uint8Array(message)
    : new Uint8Array(message.buffer, message.byteOffset, message.length);
