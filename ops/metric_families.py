"""The metric catalogue as data, for the pages and dashboards that are made from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics import MetricWrapperBase

from schemas.metrics import GatewayMetrics, WorkerMetrics

Part = Literal["gateway", "worker"]
QUERY_SUFFIXES = ("_bucket", "_count", "_sum")
"""What a histogram's name ends with in a query."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; ``name`` as exposed, so a counter's ends in ``_total``. ``buckets``: upper bounds, without +Inf."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]
    part: Part


@cache
def families() -> Mapping[str, Family]:
    """Every metric of ``schemas.metrics`` by its name, in the order of the catalogue."""
    groups: dict[Part, object] = {
        "gateway": GatewayMetrics(CollectorRegistry()),
        "worker": WorkerMetrics(CollectorRegistry()),
    }
    found = [
        _family(part, metric)
        for part, group in groups.items()
        for metric in vars(group).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    return {family.name: family for family in found}


def family_of(series: str) -> str:
    """The metric that a name in a query belongs to: ``x_seconds_bucket`` -> ``x_seconds``."""
    for suffix in QUERY_SUFFIXES:
        name = series.removesuffix(suffix)
        if name != series and name in families():
            return name
    return series


def _family(part: Part, metric: MetricWrapperBase) -> Family:
    (described,) = metric.describe()
    bounds = metric._upper_bounds if isinstance(metric, Histogram) else ()
    return Family(
        name=f"{described.name}_total" if described.type == "counter" else described.name,
        kind=described.type,
        help=described.documentation,
        labels=tuple(metric._labelnames),
        buckets=tuple(bound for bound in bounds if not math.isinf(bound)),
        part=part,
    )
