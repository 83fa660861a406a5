"""Everything that Millrace reads from its environment, read once.

A function calls `Settings.from_environment()` in its init and passes the object on. Nothing else in the
package reads `os.environ` (botocore reads its own `AWS_*` variables, including `AWS_ENDPOINT_URL`).
"""

import os
from collections.abc import Mapping
from typing import Self

from msgspec import Struct

from millrace.errors import Unavailable

MOST_QUOTA_MB = 950_000_000


class Settings(Struct, frozen=True):
    """The settings of a deployment: names of tables and queues, the issuer, and defaults for models."""

    region: str
    conversations_table: str = ""
    runs_table: str = ""
    events_table: str = ""
    injections_table: str = ""
    agents_table: str = ""
    memories_table: str = ""
    alerts_table: str = ""
    flows_table: str = ""
    pipelines_table: str = ""
    windows_table: str = ""
    journal_bucket: str = ""
    files_bucket: str = ""
    files_table: str = ""
    file_quota_mb: str = "10240"
    run_queue_url: str = ""
    push_queue_url: str = ""
    record_queue_url: str = ""
    trace_queue_url: str = ""
    trace_dead_letter_queue_url: str = ""
    otlp_endpoint: str = ""
    otlp_secret: str = ""
    otlp_texts: str = "false"
    ingest_queue_url: str = ""
    timer_queue_url: str = ""
    delivery_queue_url: str = ""
    dead_letter_queue_urls: str = ""
    deliver_function: str = ""
    secrets_table: str = ""
    secrets_key_id: str = ""
    ingest_queue_arn: str = ""
    schedule_group: str = "default"
    scheduler_role_arn: str = ""
    dead_letters_table: str = ""
    delivery_table: str = ""
    stack: str = ""
    pipeline_metrics: str = ""
    bus_name: str = ""
    tickets_table: str = ""
    api_keys_table: str = ""
    limits_table: str = ""
    default_limits: str = ""
    audit_table: str = ""
    audit_days: str = "365"
    speech_engine: str = "espeak"
    speech_base_url: str = ""
    speech_model: str = "gpt-4o-mini-tts"
    polly_engine: str = "neural"
    piper_voices: str = ""
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_jwks_url: str = ""
    organization_claim: str = "custom:organization"
    roles_claim: str = "cognito:groups"
    default_role: str = "none"
    role_scopes: str = ""
    default_model: str = "demo:"
    default_agent: str = ""
    conformance_agent: str = ""
    public_url: str = ""
    openai_base_url: str = "https://api.openai.com/v1"
    openai_api_key: str = ""
    openai_servers: str = ""
    anthropic_base_url: str = "https://api.anthropic.com"
    anthropic_api_key: str = ""
    bedrock_endpoint_url: str = ""
    aws_bearer_token_bedrock: str = ""
    model_keys_secret: str = ""
    app_packages: str = ""
    allow_loopback_http: bool = False
    max_hops: str = "8"
    approval_days: str = "30"
    memory_days: str = "0"
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read every field from the variable with its name in capitals (the region from AWS_REGION)."""
        env = os.environ if environ is None else environ
        region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
        names = [name for name in cls.__struct_fields__ if name not in ("region", "allow_loopback_http")]
        given = {name: found for name in names if (found := env.get(name.upper(), "").strip())}
        loopback = env.get("ALLOW_LOOPBACK_HTTP", "").lower() in ("1", "true")
        return cls(region=region, allow_loopback_http=loopback, **given)

    @property
    def hop_limit(self) -> int:
        """Return the hops after which an event is refused. Raises `Unavailable` if the setting is not a
        number."""
        if not self.max_hops.isdigit():
            raise Unavailable("MAX_HOPS must be a whole number.", code="not_configured")
        return int(self.max_hops)

    @property
    def approval_seconds(self) -> int:
        """Return the time for which a call may wait for a person. Raises `Unavailable` if the setting is not
        a number of days."""
        if not self.approval_days.isdigit() or not 1 <= int(self.approval_days) <= 365:
            raise Unavailable("APPROVAL_DAYS must be a whole number from 1 to 365.", code="not_configured")
        return int(self.approval_days) * 24 * 3600

    @property
    def file_quota(self) -> int:
        """Return the maximum bytes of an organization's files. Raises `Unavailable` if the setting is not a
        number, or exceeds the highest limit of storage."""
        if not self.file_quota_mb.isdigit() or int(self.file_quota_mb) > MOST_QUOTA_MB:
            raise Unavailable(
                f"FILE_QUOTA_MB must be a whole number up to {MOST_QUOTA_MB}.", code="not_configured"
            )
        return int(self.file_quota_mb) * 1024 * 1024

    @property
    def audit_seconds(self) -> int:
        """Return the time for which the audit log is kept. Raises `Unavailable` if the setting is not a
        number of days."""
        if not self.audit_days.isdigit() or not 1 <= int(self.audit_days) <= 3650:
            raise Unavailable("AUDIT_DAYS must be a whole number from 1 to 3650.", code="not_configured")
        return int(self.audit_days) * 24 * 3600

    @property
    def memory_seconds(self) -> int:
        """Return the time for which a memory is kept after its last change; 0 means forever. Raises
        `Unavailable` if the setting is not a number of days."""
        if not self.memory_days.isdigit() or int(self.memory_days) > 3650:
            raise Unavailable("MEMORY_DAYS must be a whole number from 0 to 3650.", code="not_configured")
        return int(self.memory_days) * 24 * 3600

    @property
    def exports_traces(self) -> bool:
        """True if runs are exported as traces, to the deployment's endpoint or to those of organizations."""
        return bool(self.otlp_endpoint or self.otlp_secret)

    def require(self, *names: str) -> None:
        """Raise `Unavailable` that names each missing setting."""
        missing = [name.upper() for name in names if not getattr(self, name)]
        if missing:
            raise Unavailable(
                f"Set {', '.join(missing)} in the function's environment.", code="not_configured"
            )
