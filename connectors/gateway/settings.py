"""What the gateway must be told. The environment is read elsewhere; here is only what a value means and may be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr, field_validator

from connectors.sources import WEBHOOKS


class GatewaySettings(BaseModel):
    """Settings of one gateway process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to bind; loopback unless told otherwise.")
    port: int = Field(default=8080, ge=0, le=65_535, description="Port to bind; 0 takes a free one.")
    kafka: dict[str, str] = Field(description="librdkafka properties: bootstrap.servers, security.protocol, ...")
    topic_prefix: str = Field(default="", description="Put before every topic name, for a shared cluster.")
    keys_file: Path = Field(description="YAML file of API keys; read again when it changes.")
    pepper: SecretBytes = Field(min_length=16, description="Secret of the deployment that identifiers are hashed with.")
    realm: str = Field(default="default", description="Scope within which identifiers mean the same person.")
    default_region: str = Field(default="JP", pattern="^[A-Z]{2}$", description="Region of phone numbers without +.")
    worker_token: SecretStr = Field(description="Bearer token that the workers' read views expect.")
    webhooks: dict[str, Any] = Field(default={}, description="Settings of each webhook source that is switched on.")

    max_body_bytes: int = Field(default=1_048_576, ge=1_024, description="Larger bodies get 413.")
    body_timeout_seconds: float = Field(default=10.0, gt=0, description="A body that takes longer to arrive gets 408.")
    delivery_timeout_seconds: float = Field(
        default=5.0, gt=0, description="How long Kafka may take to acknowledge before the sender gets 503."
    )
    retry_after_seconds: int = Field(default=5, ge=1, description="What a 503 tells the sender to wait.")
    linger_seconds: float = Field(default=0.005, ge=0, description="How long the producer waits to fill a batch.")
    max_in_flight: int = Field(default=20_000, ge=1, description="Records waiting for Kafka; beyond it 503 at once.")
    read_timeout_seconds: float = Field(default=3.0, gt=0, description="How long a worker may take to answer a read.")
    shutdown_timeout_seconds: float = Field(default=10.0, ge=0, description="How long open requests may take to end.")
    max_live_clients: int = Field(default=50, ge=1, description="Open /v1/live streams; beyond it 503.")
    live_queue: int = Field(default=1_000, ge=1, description="Lines kept for a slow /v1/live reader; more are skipped.")

    @field_validator("webhooks", mode="before")
    @classmethod
    def _known_webhooks(cls, value: Mapping[str, Any]) -> dict[str, Any]:
        unknown = set(value) - set(WEBHOOKS)
        if unknown:
            raise ValueError(f"no such webhook source: {', '.join(sorted(unknown))}; there is {', '.join(WEBHOOKS)}")
        return {name: WEBHOOKS[name].settings.model_validate(block) for name, block in value.items()}
