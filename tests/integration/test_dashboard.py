"""Every query of the dashboard, asked of a real Prometheus that scrapes the real metrics, brings a number."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics import MetricWrapperBase

from ops.grafana.build import TARGET
from schemas.metrics import GatewayMetrics, WorkerMetrics

DEADLINE_SECONDS = 40.0

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"
)


@pytest.fixture
def exposed() -> Iterator[tuple[list[MetricWrapperBase], list[str]]]:
    """Every metric of the catalogue, and the addresses it is exposed at."""
    metrics: list[MetricWrapperBase] = []
    addresses = []
    running = []
    for kind in (GatewayMetrics, WorkerMetrics):
        registry = CollectorRegistry()
        group = kind(registry)
        metrics += [value for value in vars(group).values() if isinstance(value, MetricWrapperBase)]
        server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
        running.append((server, thread))
        addresses.append(f"127.0.0.1:{server.server_port}")
    yield metrics, addresses
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def prometheus(exposed: tuple[list[MetricWrapperBase], list[str]], tmp_path: Path) -> Iterator[str]:
    """The base URL of a Prometheus that scrapes them every second."""
    config = tmp_path / "prometheus.yml"
    job = {
        "job_name": "all",
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "static_configs": [{"targets": exposed[1]}],
    }
    config.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def test_every_query_of_the_dashboard_brings_a_number(
    exposed: tuple[list[MetricWrapperBase], list[str]], prometheus: str
) -> None:
    panels = json.loads(TARGET.read_text())["panels"]
    waiting = {target["expr"] for panel in panels for target in panel.get("targets", [])}
    assert len(waiting) > 20
    deadline = time.monotonic() + DEADLINE_SECONDS
    while waiting:
        assert time.monotonic() < deadline, f"nothing for {sorted(waiting)}"
        for metric in exposed[0]:
            _touch(metric)
        waiting = {expression for expression in waiting if not _numbers(prometheus, expression)}
        if waiting:
            time.sleep(0.3)  # the scrapes' own pace; what is awaited is asked above


def _touch(metric: MetricWrapperBase) -> None:
    child: Any = metric.labels(*("x" for _ in metric._labelnames)) if metric._labelnames else metric
    match metric:
        case Counter():
            child.inc()
        case Gauge():
            child.set(1)
        case Histogram():
            child.observe(0.2)
        case _:
            raise AssertionError(type(metric).__name__)


def _numbers(prometheus: str, expression: str) -> list[float]:
    """The numbers an instant query brings, without NaN; none while Prometheus is not there yet."""
    query = urlencode({"query": expression.replace("$__rate_interval", "10s")})
    try:
        with urlopen(f"{prometheus}/api/v1/query?{query}", timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
    except (URLError, ConnectionError):
        return []
    numbers = [float(series["value"][1]) for series in found]
    return [number for number in numbers if not math.isnan(number)]
