"""An analytics service other than the known ones: URL, headers and a body template, one request for each
event.

It is the same as an unsigned webhook with POST.
"""

from millrace.destinations.webhook import Webhook
from millrace.pipelines.definitions.destinations import CustomAnalyticsConfig, WebhookConfig


def custom_analytics(config: CustomAnalyticsConfig) -> Webhook:
    """Return the webhook for this config."""
    # Not validated again, because it was validated before, and its URL may contain a resolved secret.
    return Webhook(
        WebhookConfig.model_construct(
            url=config.url, method="POST", headers=config.headers, body=config.body, signing_secret=None
        )
    )
