"""Stand-ins for the providers at the other end: the demo and the tests talk to them over the providers' own
protocols.

They keep what they were sent, recognise repeats where the provider does, refuse what the provider refuses, and fail
when told to. The vendors' own SDK clients accept every answer (tests/contract/test_provider_fakes.py).
"""

from connectors.fakes.faults import ANY_DESTINATION, Fault
from connectors.fakes.inbox import Received
from connectors.fakes.providers import DemoExtraMissing, ProviderFakes

__all__ = ["ANY_DESTINATION", "DemoExtraMissing", "Fault", "ProviderFakes", "Received"]
