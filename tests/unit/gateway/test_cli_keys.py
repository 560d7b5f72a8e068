"""``tsunagi keys``."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from connectors.gateway.auth import KeyRing
from ops.cli_keys import app


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_a_key_is_printed_alone_on_stdout_and_works(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    code, out, err = run("create", "--id", "app-team", "--role", "produce:app", "--role", "read", "--file", str(file))
    assert code == 0
    key = out.strip()
    found = KeyRing(file).find(key)
    assert found is not None
    assert found.roles == {"produce:app", "read"}
    assert "app-team" in err
    assert key not in err
    code, out, _ = run("list", "--file", str(file), "--json")
    assert (code, json.loads(out)) == (0, {"keys": [{"id": "app-team", "roles": ["produce:app", "read"]}]})
    code, out, _ = run("list", "--file", str(file))
    assert code == 0
    assert "app-team" in out
    assert key not in out


def test_json_has_everything_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    code, out, _ = run("create", "--id", "desk", "--role", "read", "--file", str(file), "--json")
    made = json.loads(out)
    assert (code, made["id"], made["roles"]) == (0, "desk", ["read"])
    assert KeyRing(file).find(made["key"]) is not None


def test_a_finding_is_1_and_wrong_usage_2(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    code, _, err = run("create", "--id", "app", "--role", "produce:nowhere", "--file", str(file))
    assert (code, "produce:nowhere" in err, file.exists()) == (1, True, False)
    code, out, _ = run("create", "--id", "app", "--role", "admin", "--file", str(file), "--json")
    assert (code, json.loads(out)["error"]) == (1, "ConfigurationError")
    assert run("list", "--file", str(file))[0] == 1
    assert run("create", "--id", "app", "--file", str(file))[0] == 2
