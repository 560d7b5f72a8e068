"""Orchestration rules: what to do, for whom, when, and why not. Pure, but for :mod:`orchestration_rules.loader`."""
