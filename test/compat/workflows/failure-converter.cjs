// CommonJS, because the SDK loads it by `require`, in the worker and in the workflow's sandbox.
const { DefaultFailureConverter } = require("@temporalio/common");

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
