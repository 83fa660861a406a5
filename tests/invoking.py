"""The context that Lambda's own runtime passes to a handler."""

import time

from awslambdaric.lambda_context import LambdaContext

CONTEXT = LambdaContext(
    invoke_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    client_context=None,
    cognito_identity=None,
    epoch_deadline_time_in_ms=int(time.time() * 1000) + 3_600_000,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:millrace-test",
)
