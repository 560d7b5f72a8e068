"""Writes the dashboard from the metric catalogue: ``python -m ops.grafana.build``; ``--check`` fails when it is stale.

What a panel asks follows from what the metric is: a counter is shown as its rate, a gauge as it stands, a histogram as
its median and 99th percentile, each by the metric's labels. What happens rarely is shown as counted since each process
started: a series is born with its first event, and neither rate() nor increase() sees a birth, so a single dead letter
would never show. Every metric of the catalogue has a panel.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ops.metric_families import Family, families

TARGET = Path(__file__).parent / "dashboards" / "tsunagi.json"
DATA_SOURCE = {"type": "prometheus", "uid": "prometheus"}
"""As ``provisioning/datasources`` names it."""
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 24
Show = Literal["usual", "total", "spread"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric and how it is shown.

    ``usual``: as its kind suggests; ``total``: how often since the processes started; ``spread``: quantiles of all that
    was seen since then, for histograms that are seldom written. ``by`` replaces the metric's labels.
    """

    title: str
    metric: str
    show: Show = "usual"
    by: tuple[str, ...] | None = None


ROWS: dict[str, tuple[Panel, ...]] = {
    "Front door": (
        Panel("Accepted events by channel", "tsunagi_gateway_events_accepted_total", by=("channel",)),
        Panel("Refused requests by reason", "tsunagi_gateway_requests_refused_total"),
        Panel("Accept latency", "tsunagi_gateway_accept_seconds"),
        Panel("Not taken by Kafka since start", "tsunagi_gateway_publish_failures_total", "total"),
        Panel("On the way to Kafka", "tsunagi_gateway_records_in_flight"),
        Panel("Webhooks that lead to no event", "tsunagi_gateway_webhooks_ignored_total"),
        Panel("Watching live", "tsunagi_gateway_live_clients"),
        Panel("Missed by slow live readers since start", "tsunagi_gateway_live_skipped_total", "total"),
    ),
    "Processing": (
        Panel("Lag by processor", "tsunagi_worker_lag_records"),
        Panel("Records folded and committed", "tsunagi_worker_records_total"),
        Panel("Batch size", "tsunagi_worker_batch_records"),
        Panel("Fold time of a batch", "tsunagi_worker_fold_seconds"),
        Panel("Commit time of a batch", "tsunagi_worker_commit_seconds"),
        Panel("Partitions by state", "tsunagi_worker_partitions"),
        Panel("Takeovers since start", "tsunagi_worker_takeover_seconds", "total"),
        Panel("Takeover time", "tsunagi_worker_takeover_seconds", "spread"),
        Panel("Aborted transactions since start", "tsunagi_worker_transactions_aborted_total", "total"),
        Panel("Unknown outcomes since start", "tsunagi_worker_unknown_outcomes_total", "total"),
        Panel("Dead letters since start", "tsunagi_worker_dead_letters_total", "total"),
    ),
    "Delivery": (
        Panel("Attempts by channel and outcome", "tsunagi_delivery_attempts_total"),
        Panel("From acceptance to the provider's receipt", "tsunagi_delivery_accept_to_provider_seconds"),
    ),
}


def queries(panel: Panel) -> list[tuple[str, str]]:
    """(PromQL, legend) of a panel; raises ``KeyError`` for a metric that the catalogue does not have."""
    family = families()[panel.metric]
    labels = family.labels if panel.by is None else panel.by
    legend = " ".join(f"{{{{{label}}}}}" for label in labels) or panel.title
    if panel.show == "total":
        return [(_sum(labels, f"{family.name}_count" if family.kind == "histogram" else family.name), legend)]
    if family.kind == "histogram":
        series = f"{family.name}_bucket"
        buckets = _sum(("le", *labels), series if panel.show == "spread" else f"rate({series}[$__rate_interval])")
        prefix = f"{legend} " if labels else ""
        return [(f"histogram_quantile({q}, {buckets})", f"{prefix}{name}") for q, name in ((0.5, "p50"), (0.99, "p99"))]
    if family.kind == "counter":
        return [(_sum(labels, f"rate({family.name}[$__rate_interval])"), legend)]
    return [(_sum(labels, family.name), legend)]


def _sum(labels: tuple[str, ...], series: str) -> str:
    return f"sum by ({', '.join(labels)}) ({series})" if labels else f"sum({series})"


def _unit(panel: Panel, family: Family) -> str:
    if panel.show == "total":
        return "short"
    if family.kind == "counter":
        return "cps"
    return "s" if family.name.endswith("_seconds") else "short"


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    family = families()[panel.metric]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": family.help,
        "datasource": DATA_SOURCE,
        "gridPos": {"x": x, "y": y, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": _unit(panel, family), "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": DATA_SOURCE, "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(queries(panel))
        ],
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, row in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": _COLUMNS, "h": 1},
        }
        y += 1
        for index, panel in enumerate(row):
            number += 1
            x = index * _WIDTH % _COLUMNS
            if index and x == 0:
                y += _HEIGHT
            yield _panel(panel, number, x, y)
        y += _HEIGHT


def render() -> str:
    """The dashboard's JSON."""
    dashboard = {
        "uid": "tsunagi",
        "title": "Tsunagi",
        "description": "Generated from the metric catalogue by python -m ops.grafana.build; not edited by hand.",
        "tags": ["tsunagi"],
        "schemaVersion": 41,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "panels": list(_panels()),
    }
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the dashboard, or with ``--check`` say whether it is fresh (exit 1 when stale)."""
    text = render()
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        print(f"{TARGET.name} is stale: run `python -m ops.grafana.build`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
