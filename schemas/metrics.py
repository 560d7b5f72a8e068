"""The metrics of the project, as typed groups: one class for each part that exposes them.

Names are ``tsunagi_<part>_<what>``, units are base units (seconds, bytes) and stand in the name, counters end in
``_total``. Labels come from closed sets: never an id, never a person. Each group takes the registry it is exposed by.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

ACCEPT_BUCKETS_SECONDS = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """The front door."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.accepted = Counter(
            "tsunagi_gateway_events_accepted_total",
            "Events that Kafka acknowledged, by channel and record type.",
            ("channel", "type"),
            registry=registry,
        )
        self.refused = Counter(
            "tsunagi_gateway_requests_refused_total",
            "Requests answered with a 4xx or 5xx, by reason (the last part of the problem's type).",
            ("reason",),
            registry=registry,
        )
        self.ignored = Counter(
            "tsunagi_gateway_webhooks_ignored_total",
            "Genuine webhook deliveries that lead to no event, by source and reason.",
            ("source", "reason"),
            registry=registry,
        )
        self.accept_seconds = Histogram(
            "tsunagi_gateway_accept_seconds",
            "From the start of a request to its 202: reading, checking, and Kafka's acknowledgement.",
            buckets=ACCEPT_BUCKETS_SECONDS,
            registry=registry,
        )
        self.publish_failures = Counter(
            "tsunagi_gateway_publish_failures_total",
            "Records that Kafka did not acknowledge in time, or had no room for.",
            registry=registry,
        )
        self.in_flight = Gauge(
            "tsunagi_gateway_records_in_flight",
            "Records handed to the producer and not yet acknowledged.",
            registry=registry,
        )
        self.live_clients = Gauge("tsunagi_gateway_live_clients", "Open connections to /v1/live.", registry=registry)
        self.live_skipped = Counter(
            "tsunagi_gateway_live_skipped_total",
            "Things a slow reader of /v1/live was told it missed.",
            registry=registry,
        )


FOLD_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
DELIVERY_BUCKETS_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)


class WorkerMetrics:
    """The stream processors of one worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.records = Counter(
            "tsunagi_worker_records_total", "Records folded and committed.", ("processor",), registry=registry
        )
        self.batch_records = Histogram(
            "tsunagi_worker_batch_records",
            "Records in one transaction.",
            ("processor",),
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000),
            registry=registry,
        )
        self.fold_seconds = Histogram(
            "tsunagi_worker_fold_seconds",
            "Decoding and folding one batch.",
            ("processor",),
            buckets=FOLD_BUCKETS_SECONDS,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "tsunagi_worker_commit_seconds",
            "Producing and committing one batch, and writing it to the local store.",
            ("processor",),
            buckets=FOLD_BUCKETS_SECONDS,
            registry=registry,
        )
        self.aborted = Counter(
            "tsunagi_worker_transactions_aborted_total",
            "Transactions that did not happen and were tried again.",
            ("processor",),
            registry=registry,
        )
        self.takeovers = Histogram(
            "tsunagi_worker_takeover_seconds",
            "Taking a partition over: fencing the old owner and restoring its rows.",
            ("processor",),
            buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
            registry=registry,
        )
        self.unknown_outcomes = Counter(
            "tsunagi_worker_unknown_outcomes_total",
            "Times a partition was taken over again because only the log knew what was committed.",
            ("processor",),
            registry=registry,
        )
        self.dead_letters = Counter(
            "tsunagi_worker_dead_letters_total",
            "Records that could not be processed, by reason.",
            ("processor", "reason"),
            registry=registry,
        )
        self.partitions = Gauge(
            "tsunagi_worker_partitions",
            "Partitions on this worker, by state.",
            ("processor", "state"),
            registry=registry,
        )
        self.lag = Gauge(
            "tsunagi_worker_lag_records",
            "Records in the inputs that are not folded yet, over this worker's partitions.",
            ("processor",),
            registry=registry,
        )
        self.delivered_seconds = Histogram(
            "tsunagi_delivery_accept_to_provider_seconds",
            "From the gateway's acceptance of the causing event to the provider's receipt, by channel; waits included.",
            ("channel",),
            buckets=DELIVERY_BUCKETS_SECONDS,
            registry=registry,
        )
        self.attempts = Counter(
            "tsunagi_delivery_attempts_total",
            "Tries to send a message, by channel and outcome.",
            ("channel", "outcome"),
            registry=registry,
        )
