"""The embedded schema registry: Confluent's REST subset over ``schemas/published``, for one machine.

Production uses any Confluent-compatible registry by address; clients cannot tell the difference.
"""

from ops.registry.server import RunningRegistry, start_registry

__all__ = ["RunningRegistry", "start_registry"]
