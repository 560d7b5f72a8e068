"""Everything the environment says, in one place: read, typed and checked at start.

Variables begin with ``TSUNAGI_``; a block's fields follow after two underscores
(``TSUNAGI_LINE__CHANNEL_ACCESS_TOKEN``). One set of Kafka settings reaches librdkafka, Faust's consumer and the admin.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal

from faust import SASLCredentials, SSLCredentials
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.gateway.settings import GatewaySettings
from connectors.sinks import LineSettings, SmtpSettings, TwilioSettings
from schemas.errors import ConfigurationError


class KafkaSettings(BaseSettings):
    """How to reach the brokers, and by which name the deployment is known there."""

    model_config = SettingsConfigDict(
        env_prefix="TSUNAGI_", env_nested_delimiter="__", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka: str = Field(default="127.0.0.1:9092", description="Bootstrap servers, host:port separated by commas.")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Security protocol of the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="SASL mechanism, with a SASL_ protocol."
    )
    kafka_username: str = Field(default="", description="SASL user.")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="SASL password.")
    application: str = Field(
        default="tsunagi",
        pattern="^[a-z][a-z0-9-]{0,40}$",
        description="Name of the deployment: prefix of consumer groups and transactional ids.",
    )
    kafka_ca_file: Path | None = Field(default=None, description="CA certificates (PEM) the brokers are checked with.")

    @property
    def connection(self) -> dict[str, str]:
        """How librdkafka reaches the brokers."""
        found = {"bootstrap.servers": self.kafka, "security.protocol": self.kafka_security}
        if self.kafka_ca_file is not None:
            found["ssl.ca.location"] = str(self.kafka_ca_file)
        if self.kafka_security.startswith("SASL"):
            found |= {
                "sasl.mechanism": self.kafka_sasl_mechanism,
                "sasl.username": self.kafka_username,
                "sasl.password": self.kafka_password.get_secret_value(),
            }
        return found

    @property
    def faust_security(self) -> dict[str, Any]:
        """How Faust's consumer reaches the same brokers."""
        context = None
        if self.kafka_security.endswith("SSL"):
            context = ssl.create_default_context(cafile=None if self.kafka_ca_file is None else str(self.kafka_ca_file))
        if self.kafka_security.startswith("SASL"):
            return {
                "broker_credentials": SASLCredentials(
                    mechanism=self.kafka_sasl_mechanism,
                    username=self.kafka_username,
                    password=self.kafka_password.get_secret_value(),
                    ssl_context=context,
                )
            }
        return {} if context is None else {"broker_credentials": SSLCredentials(context)}


class Settings(KafkaSettings):
    """Settings of one deployment; each field's description is its documentation."""

    registry: str = Field(
        default="http://127.0.0.1:8081", description="Confluent-compatible schema registry; user:password@ is allowed."
    )
    pepper: SecretStr = Field(min_length=16, description="Secret that identifiers are hashed with; never changes.")
    realm: str = Field(default="default", description="Scope within which identifiers mean the same person.")
    default_region: str = Field(default="JP", pattern="^[A-Z]{2}$", description="Region of phone numbers without +.")
    data_dir: Path = Field(default=Path("data"), description="Local stores of this worker; one directory a worker.")
    clock: str = Field(default="wall", description="`wall`; `file:PATH` is a demo's steered clock.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")

    worker_host: str = Field(default="127.0.0.1", description="Address a worker's read views and metrics bind.")
    worker_port: int = Field(default=0, ge=0, le=65_535, description="Port of the same; 0 takes a free one.")
    worker_advertised_host: str = Field(default="127.0.0.1", description="Host under which the gateway reaches it.")
    worker_token: SecretStr = Field(min_length=16, description="Shared by gateway and workers: reads of people.")

    gateway_host: str = Field(default="127.0.0.1", description="Address the gateway binds.")
    gateway_port: int = Field(default=8080, ge=0, le=65_535, description="Port the gateway binds; 0 takes a free one.")
    gateway_keys_file: Path = Field(default=Path("keys.yaml"), description="API keys, see `tsunagi keys`.")
    webhooks: dict[str, Any] = Field(default={}, description="Settings of each webhook source that is switched on.")

    line: LineSettings | None = Field(default=None, description="LINE Messaging API; absent: LINE is not configured.")
    sms: TwilioSettings | None = Field(default=None, description="Twilio; absent: SMS is not configured.")
    email: SmtpSettings | None = Field(default=None, description="SMTP; absent: e-mail is not configured.")

    def gateway(self) -> GatewaySettings:
        """The gateway's part."""
        return GatewaySettings(
            host=self.gateway_host,
            port=self.gateway_port,
            kafka=self.connection,
            keys_file=self.gateway_keys_file,
            pepper=self.pepper.get_secret_value().encode(),
            realm=self.realm,
            default_region=self.default_region,
            worker_token=self.worker_token,
            webhooks=self.webhooks,
        )


def load() -> Settings:
    """Read and check the environment; raises :class:`ConfigurationError` naming each variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = []
        for item in error.errors():
            variable = f"TSUNAGI_{'__'.join(str(part) for part in item['loc']).upper()}"
            field = Settings.model_fields.get(str(item["loc"][0]))
            what = f" ({field.description})" if field is not None and field.description else ""
            wrong.append(f"{variable}: {item['msg'].removeprefix('Value error, ')}{what}")
        raise ConfigurationError("the environment is not complete:\n  " + "\n  ".join(wrong)) from error
