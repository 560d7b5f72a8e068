"""librdkafka's own words, through Python's logging: in a worker they come out as JSON like everything else."""

from __future__ import annotations

import logging

KAFKA_LOG = logging.getLogger("librdkafka")
