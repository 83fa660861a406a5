"""Prices of AWS in us-east-1, in US dollars, and what is free each month.

List prices as of November 2026, from AWS's pricing pages of Lambda, SQS, DynamoDB (on demand), S3,
EventBridge, CloudWatch, KMS, Secrets Manager and CloudFront. Check these pages first.
"""

AS_OF = "November 2026"
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
ALARM_METRIC = 0.10  # a month
DASHBOARD = 3.00  # a month; three are free that show no more than 50 metrics
KMS_KEY = 1.00  # a month
SECRET = 0.40  # a month
CLOUDFRONT_BYTE = 0.085e-9
CLOUDFRONT_REQUEST = 1.00e-6
SNAPSTART_GB_SECOND = 0.0000015046

FREE = {
    "gb_seconds": 400_000.0,
    "lambda_requests": 1e6,
    "sqs_requests": 1e6,
    "alarm_metrics": 10.0,
    "log_bytes": 5e9,
    "cloudfront_bytes": 1e12,
    "cloudfront_requests": 1e7,
}
"""Free per month and account, permanently. What new accounts get for a limited time is not included."""
UNITS = {
    "gb_seconds": ("Lambda", GB_SECOND),
    "lambda_requests": ("Lambda", LAMBDA_REQUEST),
    "sqs_requests": ("SQS", SQS_REQUEST),
    "write_units": ("DynamoDB", WRITE_UNIT),
    "read_units": ("DynamoDB", READ_UNIT),
    "bus_events": ("EventBridge", BUS_EVENT),
    "alarm_metrics": ("CloudWatch", ALARM_METRIC),
    "dashboards": ("CloudWatch", DASHBOARD),
    "log_bytes": ("CloudWatch", LOG_BYTE),
    "keys": ("KMS", KMS_KEY),
    "cloudfront_bytes": ("CloudFront", CLOUDFRONT_BYTE),
    "cloudfront_requests": ("CloudFront", CLOUDFRONT_REQUEST),
}
"""The service and the price of each item that is counted."""
