"""Fixtures for every test: one Kafka a test run, topics per test (see ``tests.kafka``)."""

pytest_plugins = ["tests.kafka"]
