"""What the functions tell about themselves: log lines and metrics, by Powertools for AWS Lambda."""
