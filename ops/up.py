"""``tsunagi up``: the stack of one machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

from rich.console import Console

from ops.stack import Stack, StackSettings
from schemas.errors import ConfigurationError


async def up(*, broker: str, registry: str | None, data_dir: Path, port: int, workers: int, rules: Path | None) -> None:
    """Start, say where everything is, and end in order on Ctrl-C or SIGTERM."""
    console = Console(stderr=True, highlight=False)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    refuse_taken_port(port)
    settings = StackSettings(
        data_dir=data_dir, broker=broker, registry=registry, port=port, workers=workers, rules=rules
    )
    starting = asyncio.create_task(_start(Stack(settings, lambda text: console.print(f"[dim]{text}[/dim]"))))
    await asyncio.wait([starting, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    try:
        stack = await starting
    except asyncio.CancelledError:
        return
    try:
        console.print(
            f"[bold]Tsunagi is up.[/bold]  console  {stack.gateway_url}/#key={stack.keys['console']}\n"
            f"                 events   POST {stack.gateway_url}/v1/events  (key: {stack.keys['channels']})\n"
            f"                 Kafka    {stack.bootstrap}    registry {stack.registry_url}\n"
            f"                 logs     {settings.data_dir / 'logs'}\n"
            "Ctrl-C ends it.",
            soft_wrap=True,
        )
        _say_unconfigured(console)
        await stop.wait()
        console.print("ending")
    finally:
        await stack.__aexit__(None, None, None)


async def _start(stack: Stack) -> Stack:
    return await stack.__aenter__()


def _say_unconfigured(console: Console) -> None:
    """A channel that is not set up is a stated suppression, so say it before anyone wonders."""
    missing = [
        name for name in ("LINE", "SMS", "EMAIL") if not any(key.startswith(f"TSUNAGI_{name}__") for key in os.environ)
    ]
    if missing:
        console.print(
            f"[dim]not configured: {', '.join(missing)}; messages for it end as CHANNEL_NOT_CONFIGURED "
            "(see docs/operator/settings.md)[/dim]"
        )


def refuse_taken_port(port: int) -> None:
    """Raises :class:`ConfigurationError` when something else listens there: better now than after Kafka has started."""
    if port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(f"port {port} is taken: give another with --port, or 0 for a free one") from error
