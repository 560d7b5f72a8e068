"""The compose file and the image: what they name exists, by exact version, and no secret is in them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from ops import cli, docs

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
EXACT_TAG = re.compile(r"(?:[a-z0-9.-]+/)*[a-z0-9-]+:v?\d+\.\d+\.\d+(?:-[a-z]+)*")
SECRETS = {"TSUNAGI_PEPPER": "p" * 32, "TSUNAGI_WORKER_TOKEN": "t" * 32}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with its anchors resolved, variables not."""
    loaded = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(loaded, dict)
    return loaded


def _has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    answer = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=30, check=False)
    return answer.returncode == 0


@pytest.mark.skipif(not _has_compose(), reason="the docker client with its compose plugin is not installed")
def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    result = _config(tmp_path, SECRETS)
    assert result.returncode == 0, result.stderr
    services = json.loads(result.stdout)["services"]
    assert {"kafka", "registry", "init", "gateway", "prometheus", "grafana"} <= set(services)


@pytest.mark.skipif(not _has_compose(), reason="the docker client with its compose plugin is not installed")
@pytest.mark.parametrize("missing", SECRETS)
def test_docker_compose_says_which_secret_is_missing(tmp_path: Path, missing: str) -> None:
    result = _config(tmp_path, {name: value for name, value in SECRETS.items() if name != missing})
    assert result.returncode != 0
    assert missing in result.stderr
    assert ".env.example" in result.stderr


def _config(tmp_path: Path, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # An .env of the developer's own must not decide this.
    empty = tmp_path / "empty.env"
    empty.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TSUNAGI_")}
    return subprocess.run(
        ["docker", "compose", "--env-file", str(empty), "--file", str(COMPOSE), "config", "--format", "json"],
        env={**environment, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_images_are_named_by_exact_version(compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values()]
    assert len(images) == len(compose["services"])
    for image in [*images, _dockerfile_argument("PYTHON_IMAGE")]:
        assert EXACT_TAG.fullmatch(image), f"{image}: give the exact version"


def test_our_image_has_the_projects_version_and_is_built_once(compose: dict[str, Any]) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    ours = {name: service for name, service in compose["services"].items() if service["image"].startswith("tsunagi:")}
    assert {service["image"] for service in ours.values()} == {f"tsunagi:{version[1]}"}
    assert [name for name, service in ours.items() if "build" in service] == ["init"]


def _dockerfile_argument(name: str) -> str:
    found = re.search(rf"^ARG {name}=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found, f"the Dockerfile has no ARG {name}"
    return found[1]


def test_the_image_is_built_with_the_makefiles_uv() -> None:
    makefile = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert makefile
    assert _dockerfile_argument("UV_VERSION") == makefile[1]


@pytest.mark.parametrize("file", ["docker-compose.yml", "Dockerfile", ".env.example"])
def test_variables_are_known_to_the_settings(file: str) -> None:
    used = set(re.findall(r"\bTSUNAGI_[A-Z0-9_]+\b", (ROOT / file).read_text()))
    assert used
    assert used - docs.variables() == set()


def test_every_secret_is_asked_for_and_none_is_written_down(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PEPPER|TOKEN|PASSWORD|SECRET", variable):
                assert value is None or value.startswith(f"${{{variable}:?"), f"{name}: {variable} is written down"
    for line in (ROOT / ".env.example").read_text().splitlines():
        name, _, value = line.lstrip("#").partition("=")
        if re.search(r"PEPPER|TOKEN|PASSWORD", name) and " " not in name:
            assert value == "", f".env.example: {name} has a value"


def test_ports_are_bound_to_loopback(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_servers_in_containers_bind_every_address_and_workers_are_reachable(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["gateway"]["environment"]["TSUNAGI_GATEWAY_HOST"] == "0.0.0.0"
    workers = {name: service for name, service in services.items() if service.get("command", [""])[0] == "worker"}
    assert {service["command"][1] for service in workers.values()} == {"identity", "customer", "inventory", "delivery"}
    for name, service in workers.items():
        assert service["environment"]["TSUNAGI_WORKER_HOST"] == "0.0.0.0"
        assert service["environment"]["TSUNAGI_WORKER_ADVERTISED_HOST"] == name
    directories = [service["volumes"][0].split(":")[0] for service in workers.values()]
    assert len(set(directories)) == len(workers), "two workers share a directory"


def test_what_is_waited_for_can_become_healthy(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        waits = service.get("depends_on", {})
        for other, how in waits.items() if isinstance(waits, dict) else ():
            assert other in services, f"{name} waits for {other}"
            if how["condition"] == "service_healthy":
                assert "test" in services[other]["healthcheck"], f"{other} has no health check"
    volumes = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    named = {volume for volume in volumes if not volume.startswith((".", "$"))}
    assert named == set(compose["volumes"])
    for path in volumes - named:
        if path.startswith("."):
            assert (ROOT / path).is_dir(), f"{path} is mounted and does not exist"


def test_every_command_line_is_one_that_the_cli_has(compose: dict[str, Any]) -> None:
    command = _cli()
    script = compose["services"]["init"]["command"][0]
    lines = [shlex.split(line)[1:] for line in script.splitlines()]
    assert [line[:2] for line in lines] == [["schemas", "publish"], ["topics", "apply"], ["rules", "publish"]]
    lines += [
        service["command"] for name, service in compose["services"].items() if name.startswith(("gateway", "worker"))
    ]
    comments = re.findall(r"^#.*run --rm keys (.*?)(?:  .*)?$", COMPOSE.read_text(), re.MULTILINE)
    assert comments
    lines += [["keys", *shlex.split(line), "--file", "/keys.yaml"] for line in comments]
    for line in lines:
        _check(command, line)


def _cli() -> Any:
    if not cli.app.registered_groups:
        cli._add_groups()
    return typer.main.get_command(cli.app)


def _check(command: Any, line: list[str]) -> None:
    """Fails when a command or option does not exist, or a needed option is not given."""
    rest = list(line)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        assert name in command.commands, f"tsunagi has no command {name!r}: {line}"
        command = command.commands[name]
    known = {option: parameter for parameter in command.params for option in parameter.opts}
    given = {part for part in rest if part.startswith("--")}
    assert given <= set(known), f"tsunagi has no option {given - set(known)}: {line}"
    needed = {parameter.name for parameter in command.params if parameter.required}
    assert needed <= {known[option].name for option in given}, f"options are missing: {line}"


def test_the_builder_is_given_what_the_image_needs_and_nothing_else() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_the_image_does_not_run_as_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    final = text[text.rindex("\nFROM ") :]
    user = re.search(r"^USER (\d+):(\d+)$", final, re.MULTILINE)
    assert user
    assert int(user[1]) > 0
    assert final.index("\nUSER ") < final.index("\nENTRYPOINT ")
    assert "HEALTHCHECK" in final
