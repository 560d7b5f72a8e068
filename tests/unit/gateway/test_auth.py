"""API keys: made once, stored hashed, read again when the file changes."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest
import yaml

from connectors.gateway import auth
from connectors.gateway.auth import ApiKey, KeyRing, create_key, load_keys, require
from connectors.gateway.problems import Problem, Reason
from schemas.errors import ConfigurationError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "made" / "keys.yaml"


def test_a_created_key_is_found_and_stands_nowhere_in_the_file(file: Path) -> None:
    app, desk = create_key(file, "app-team", ["produce:app"]), create_key(file, "desk", ["read", "operate"])
    assert app != desk
    assert len(app) > 40
    assert app not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ring = KeyRing(file)
    assert ring.find(app) == ApiKey(
        id="app-team", sha256=hashlib.sha256(app.encode()).hexdigest(), roles=frozenset({"produce:app"})
    )
    found = ring.find(desk)
    assert found is not None
    assert found.id == "desk"
    assert ring.find(app[:-1]) is None
    assert ring.find("") is None


def test_an_id_is_taken_once(file: Path) -> None:
    create_key(file, "app-team", ["produce:app"])
    before = file.read_text()
    with pytest.raises(ConfigurationError, match="app-team"):
        create_key(file, "app-team", ["read"])
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("key_id", "roles", "says"),
    [("app", ["produce:nowhere"], "produce:nowhere"), ("app", [], "at least 1"), ("App Team", ["read"], "pattern")],
)
def test_what_is_no_key_is_refused_before_anything_is_written(
    file: Path, key_id: str, roles: list[str], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        create_key(file, key_id, roles)
    assert not file.exists()


@pytest.mark.parametrize(
    "text",
    [
        "keys: [",
        "[]",
        "keys: [{id: a}]",
        "keys: [{id: a, sha256: zz, roles: [read]}]",
        yaml.safe_dump({"keys": [{"id": "a", "sha256": "0" * 64, "roles": ["read"]}] * 2}),
    ],
)
def test_a_file_with_a_mistake_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"keys\.yaml"):
        load_keys(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="tsunagi keys create"):
        KeyRing(tmp_path / "none.yaml")


def test_a_changed_file_counts_without_a_restart_and_a_broken_one_does_not(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "_LOOK_AGAIN_SECONDS", 0.0)
    first = create_key(file, "one", ["read"])
    ring = KeyRing(file)
    second = create_key(file, "two", ["read"])
    assert ring.find(second) is not None
    good = file.read_text()
    file.write_text("keys: nonsense")
    assert ring.find(first) is not None
    file.write_text(yaml.safe_dump({"keys": yaml.safe_load(good)["keys"][1:]}))
    assert ring.find(first) is None
    assert ring.find(second) is not None


def test_a_role_is_needed_exactly() -> None:
    key = ApiKey(id="app-team", sha256="0" * 64, roles=frozenset({"produce:app"}))
    require(key, auth.produce("app"))
    for role in (auth.produce("web"), auth.READ, auth.OPERATE):
        with pytest.raises(Problem) as refused:
            require(key, role)
        assert refused.value.reason is Reason.FORBIDDEN
