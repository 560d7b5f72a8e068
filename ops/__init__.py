"""Running it: command line, settings, clock, embedded Kafka, registry, demo."""
