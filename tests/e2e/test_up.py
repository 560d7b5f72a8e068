"""``tsunagi up`` as an operator runs it: a second start has what the first one kept, Ctrl-C leaves nothing running."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

UP = [sys.executable, "-m", "ops.cli", "up", "--port", "0"]
START_SECONDS = 90.0


class Running:
    """A started stack: its address and keys, as it printed them."""

    def __init__(self, told: str) -> None:
        (self.url,) = re.findall(r"console\s+(http://\S+)/#key=", told)
        (self.console_key,) = re.findall(r"#key=(\S+)", told)
        (self.channel_key,) = re.findall(r"\(key: (\S+)\)", told)

    def call(self, method: str, path: str, key: str, body: Any = None) -> Any:
        """The gateway's JSON answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def up(folder: Path) -> Iterator[Running]:
    told = folder / "told"
    with told.open("w") as output:
        process = subprocess.Popen([*UP, "--data-dir", str(folder / "data")], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C ends it" not in told.read_text():
            assert process.poll() is None, told.read_text()
            assert time.monotonic() < deadline, told.read_text()
            time.sleep(0.05)
        yield Running(told.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def left_running(folder: Path) -> list[str]:
    """Command lines that still name this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and entry.name != str(os.getpid()):
            found.append(line)
    return found


@pytest.mark.timeout(240)
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the left-over check reads /proc")
def test_a_second_start_goes_on_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    who = {"type": "member_id", "value": "M-7001"}
    with up(tmp_path) as first:
        event = {
            "type": "CartLineAdded",
            "event_id": "cart-1",
            "occurred_at": time.time_ns() // 1_000_000,
            "channel": "web",
            "source": "ec-site",
            "brand": "aoba",
            "identifiers": [who],
            "cart_id": "c-1",
            "line": {"sku": "SKU-1", "quantity": 2, "unit_price_minor": 900, "currency": "JPY"},
        }
        assert first.call("POST", "/v1/events", first.channel_key, event) == {"accepted": ["cart-1"]}
        found = customer(first, who)
        assert [(line["sku"], line["quantity"]) for line in found["cart"]] == [("SKU-1", 2)]
        assert [(journey["rule"], journey["state"]) for journey in found["journeys"]] == [("abandoned-cart", "WAITING")]
    assert left_running(tmp_path) == []
    with up(tmp_path) as second:
        assert second.channel_key == first.channel_key
        again = customer(second, who)
        assert again["cart"] == found["cart"]
        assert again["journeys"] == found["journeys"]
    assert left_running(tmp_path) == []


def customer(running: Running, who: dict[str, str]) -> Any:
    """The customer once the event is in; asked as a channel would, by identifier."""
    deadline = time.monotonic() + 20
    while True:
        try:
            found = running.call("POST", "/v1/customers/lookup", running.console_key, who)["customer_id"]
            return running.call("GET", f"/v1/customers/{found}?after=cart-1", running.console_key)
        except urllib.error.HTTPError as error:
            if error.code not in (404, 503) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        run = subprocess.run(
            [*UP[:-1], port, "--data-dir", str(tmp_path / "data")], capture_output=True, text=True, check=False
        )
    assert run.returncode == 2
    assert f"port {port} is taken" in run.stderr
    assert not (tmp_path / "data").exists()
