"""Grafana: the dashboard made from the metric catalogue, and how Grafana finds it."""
