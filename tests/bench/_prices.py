"""Prices of AWS in us-east-1 beyond the free tiers, in US dollars.

List prices as of June 2026, of the pages "AWS Lambda Pricing", "Amazon SQS pricing", "Amazon DynamoDB pricing
for on-demand capacity", "Amazon S3 pricing", "Amazon EventBridge pricing" and "Amazon CloudWatch pricing".
Look there first.
"""

GB_SECOND = 0.0000133334  # Lambda, arm64
LAMBDA_REQUEST = 0.20e-6
SQS_REQUEST = 0.40e-6  # standard queue, for each 64 KB begun
WRITE_UNIT = 0.625e-6
READ_UNIT = 0.125e-6
S3_PUT = 5.00e-6
S3_GET = 0.40e-6
BUS_EVENT = 1.00e-6  # a custom event, for each 64 KB begun
LOG_BYTE = 0.50e-9  # CloudWatch Logs, taken in
CHUNK = 64 * 1024
CPU_MB = 1_769  # a function with this memory has one vCPU, others their share ("Lambda function memory")
