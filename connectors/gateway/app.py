"""The aiohttp application: which address does what, and what starts and ends with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web
from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry

from connectors.gateway import health, intake, live, reads
from connectors.gateway.auth import KeyRing
from connectors.gateway.console_page import console_page
from connectors.gateway.directory import TOPIC as DIRECTORY_TOPIC
from connectors.gateway.directory import Directory
from connectors.gateway.live_feed import LiveFeed
from connectors.gateway.live_view import TOPICS
from connectors.gateway.problems import problem_middleware
from connectors.gateway.publisher import Publisher
from connectors.gateway.routing import Router
from connectors.gateway.settings import GatewaySettings
from connectors.gateway.state import GATEWAY, Gateway
from schemas.catalogue import topics
from schemas.codec import Codec
from schemas.errors import ConfigurationError
from schemas.metrics import GatewayMetrics

log = structlog.get_logger(__name__)


def create_app(
    settings: GatewaySettings,
    codec: Codec,
    clock: Callable[[], int],
    registry: CollectorRegistry | None = None,
) -> web.Application:
    """The gateway as an aiohttp application.

    ``clock``: epoch milliseconds UTC of the edge clock; it gives ``received_at`` and the records' timestamps.
    ``registry``: where the metrics go, by default one of its own. Raises :class:`ConfigurationError` when the keys file
    cannot be used. Nothing is connected before the application starts; Kafka may come later.
    """
    metrics = GatewayMetrics(registry or CollectorRegistry())
    keys = KeyRing(settings.keys_file)
    app = web.Application(
        client_max_size=settings.max_body_bytes,
        middlewares=[problem_middleware(metrics, settings.retry_after_seconds)],
    )

    async def parts(app: web.Application) -> AsyncIterator[None]:
        try:
            gateway = _build(settings, codec, clock, metrics, keys)
        except KafkaException as error:
            raise ConfigurationError(f"Kafka's client refuses a setting: {error.args[0].str()}") from error
        app[GATEWAY] = gateway
        gateway.publisher.start()
        gateway.directory.start()
        yield
        await gateway.publisher.close()
        await gateway.workers.close()
        await gateway.directory.stop()

    async def end_streams(app: web.Application) -> None:
        app[GATEWAY].feed.close()

    app.cleanup_ctx.append(parts)
    app.on_shutdown.append(end_streams)
    app.add_routes(
        [
            web.post("/v1/events", intake.post_events),
            web.post("/v1/webhooks/{source}", intake.post_webhook),
            web.post("/v1/customers/lookup", reads.lookup),
            web.get("/v1/customers/{id}", reads.customer),
            web.get("/v1/inventory/{sku}", reads.inventory),
            web.get("/v1/inquiries/{id}", reads.inquiry),
            web.get("/v1/live", live.live),
            web.get("/", console_page()),
            web.get("/metrics", health.metrics),
            web.get("/healthz", health.healthz),
            web.get("/readyz", health.readyz),
        ]
    )
    return app


def _build(
    settings: GatewaySettings, codec: Codec, clock: Callable[[], int], metrics: GatewayMetrics, keys: KeyRing
) -> Gateway:
    declared = topics().values()
    watched = [*TOPICS, *(topic.topic for topic in declared if topic.topic.startswith("actions."))]
    return Gateway(
        settings=settings,
        codec=codec,
        clock=clock,
        metrics=metrics,
        keys=keys,
        router=Router(settings.pepper.get_secret_value(), settings.realm, settings.default_region),
        publisher=Publisher(
            settings.kafka,
            topics=[topic.topic for topic in declared if "gateway" in topic.producers],
            prefix=settings.topic_prefix,
            metrics=metrics,
            delivery_timeout_seconds=settings.delivery_timeout_seconds,
            linger_seconds=settings.linger_seconds,
            max_in_flight=settings.max_in_flight,
        ),
        directory=Directory(settings.kafka, settings.topic_prefix + DIRECTORY_TOPIC),
        feed=LiveFeed(
            settings.kafka,
            [settings.topic_prefix + name for name in watched],
            [settings.topic_prefix + name for name in watched if topics()[name].key == "customer id"],
            codec,
            metrics,
            settings.live_queue,
        ),
        workers=ClientSession(
            headers={"Authorization": f"Bearer {settings.worker_token.get_secret_value()}"},
            timeout=ClientTimeout(total=settings.read_timeout_seconds),
            cookie_jar=DummyCookieJar(),
        ),
    )


@asynccontextmanager
async def serving(
    settings: GatewaySettings,
    codec: Codec,
    clock: Callable[[], int],
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[str]:
    """Serves while the block runs, and yields the base URL.

    At the end it stops accepting, lets open requests finish, and waits for what is on its way to Kafka. Raises
    :class:`ConfigurationError` when it cannot listen there, or Kafka's client refuses a setting.
    """
    runner = web.AppRunner(
        create_app(settings, codec, clock, registry),
        access_log=None,
        # A small body must not become a large one: compressed bodies are refused, not unpacked.
        auto_decompress=False,
        keepalive_timeout=75.0,
        shutdown_timeout=settings.shutdown_timeout_seconds,
    )
    try:
        await runner.setup()
        await _listen(runner, settings.host, settings.port)
        host, port = runner.addresses[0][:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        log.info("gateway serves", url=url)
        yield url
    finally:
        await runner.cleanup()
        log.info("gateway stopped")


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        message = f"cannot listen on {host}:{port} ({error.strerror}): choose another port, or end what uses it"
        raise ConfigurationError(message) from error
