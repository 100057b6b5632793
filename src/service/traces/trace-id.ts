/** What one request has brought about has one trace id: jobs and runs keep it as this search attribute, and hand it on to all that they start. */
export const traceAttribute = "HoldfastTraceId";
/** In the header of what they start: the id, as JSON. */
export const traceField = "holdfast-trace";
