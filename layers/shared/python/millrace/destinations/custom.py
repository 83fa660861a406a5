"""An analytics service that is none of the known ones: url, headers and a body template, one request per
event. The same as an unsigned webhook by POST."""

from millrace.destinations.webhook import Webhook
from millrace.pipelines.definitions.destinations import CustomAnalyticsConfig, WebhookConfig


def custom_analytics(config: CustomAnalyticsConfig) -> Webhook:
    """The webhook that sends as the config says."""
    # Already checked, and its url may hold a resolved secret: constructed rather than validated again.
    return Webhook(
        WebhookConfig.model_construct(
            url=config.url, method="POST", headers=config.headers, body=config.body, signing_secret=None
        )
    )
