"""The JSON Schema of rule files, for editors with a YAML language server: generated from the model, never edited."""

from __future__ import annotations

import json
from typing import Any

from orchestration_rules.model import Rule

FILE_NAME = "rule.schema.json"


def rule_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of ``rules/<rule>.yaml``, with the event types that exist."""
    schema = Rule.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Tsunagi rule"}


def rendered() -> str:
    """The text of ``rule.schema.json`` as committed."""
    return json.dumps(rule_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
