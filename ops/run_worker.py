"""Starts a worker from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import ClientSession, DummyCookieJar

from connectors.sinks import open_sinks
from ops.clock import clock_from
from ops.contracts import resolve_codec
from ops.couriers import couriers
from ops.settings import Settings
from schemas.errors import ConfigurationError
from streams.engine.processor import Processor
from streams.processors.customer import CUSTOMER
from streams.processors.delivery import DELIVERY
from streams.processors.identity import identity
from streams.processors.inventory import INVENTORY
from streams.worker import Worker, WorkerSettings

PROCESSORS = ("identity", "customer", "inventory", "delivery")


def chosen(names: Sequence[str], settings: Settings) -> list[Processor]:
    """The named processors, all of them when none is named; raises :class:`ConfigurationError` for an unknown one."""
    known = {
        "identity": identity(settings.pepper.get_secret_value().encode(), settings.realm, settings.default_region),
        "customer": CUSTOMER,
        "inventory": INVENTORY,
        "delivery": DELIVERY,
    }
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigurationError(f"no processor {', '.join(unknown)}; there is {', '.join(known)}")
    return [known[name] for name in names or PROCESSORS]


async def run_worker(settings: Settings, names: Sequence[str]) -> None:
    """Run until SIGTERM or Ctrl-C."""
    processors = chosen(names, settings)
    codec = await asyncio.to_thread(resolve_codec, settings.registry)
    async with ClientSession(cookie_jar=DummyCookieJar()) as http:
        sinks = await open_sinks(http, line=settings.line, sms=settings.sms, email=settings.email)
        worker = Worker(
            WorkerSettings(
                application=settings.application,
                bootstrap=settings.kafka,
                connection=settings.connection,
                faust_security=settings.faust_security,
                data_dir=settings.data_dir,
                host=settings.worker_host,
                port=settings.worker_port,
                advertised_host=settings.worker_advertised_host,
                token=settings.worker_token.get_secret_value(),
            ),
            processors,
            codec,
            clock_from(settings.clock),
            couriers(sinks),
        )
        worker.install_signal_handlers()
        await worker.run()
