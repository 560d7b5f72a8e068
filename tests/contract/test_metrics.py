"""The metric catalogue keeps its rules, and what is made from it (dashboard, pages) speaks of nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import docs
from ops.grafana import build
from ops.metric_families import Family, families, family_of

OPS = Path(build.__file__).parent.parent
# Closed sets: none of these may ever hold an id, an address or a free text.
LABELS = {"channel", "type", "reason", "source", "processor", "state", "outcome"}
# Whatever is not a base unit; the base units are seconds and bytes.
OTHER_UNITS = ("ms", "millis", "milliseconds", "us", "minutes", "hours", "days", "kb", "mb", "kib", "mib", "percent")


@pytest.fixture(params=list(families().values()), ids=list(families()))
def family(request: pytest.FixtureRequest) -> Family:
    found: Family = request.param
    return found


def test_names_say_part_and_unit(family: Family) -> None:
    assert re.fullmatch(r"tsunagi_(gateway|worker|delivery)(_[a-z]+)+", family.name)
    assert not set(family.name.split("_")) & set(OTHER_UNITS)
    assert family.kind in ("counter", "gauge", "histogram")
    assert family.name.endswith("_total") == (family.kind == "counter")
    if family.kind == "histogram":
        assert family.name.endswith(("_seconds", "_bytes", "_records"))


def test_help_is_a_sentence_and_labels_are_from_closed_sets(family: Family) -> None:
    assert re.fullmatch(r"[A-Z/].{20,}\.", family.help)
    assert set(family.labels) <= LABELS
    assert list(family.buckets) == sorted(set(family.buckets))


def panels() -> Iterator[dict[str, Any]]:
    dashboard = json.loads(build.TARGET.read_text())
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def named_in(expression: str) -> set[str]:
    return {family_of(name) for name in re.findall(r"\b(?:tsunagi|process)_[a-z_]+", expression)}


def test_the_dashboard_is_fresh() -> None:
    assert build.TARGET.read_text() == build.render(), "run `python -m ops.grafana.build`"
    assert build.main(["--check"]) == 0


def test_a_stale_dashboard_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "TARGET", tmp_path / "tsunagi.json")
    assert build.main(["--check"]) == 1
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    build.TARGET.write_text(build.TARGET.read_text().replace("p99", "p95"))
    assert build.main(["--check"]) == 1


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    shown = [named_in(target["expr"]) for panel in panels() for target in panel["targets"]]
    assert all(len(names) == 1 for names in shown)
    assert set.union(*shown) == set(families())


def test_panels_have_titles_of_their_own_and_do_not_overlap() -> None:
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles))
    cells = [
        (x, y)
        for panel in panels()
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_a_panel_names_a_data_source_that_is_provisioned() -> None:
    provisioned = yaml.safe_load((OPS / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    uids = {source["uid"] for source in provisioned["datasources"]}
    assert {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]} <= uids


def test_legends_use_labels_that_the_query_keeps() -> None:
    for panel in panels():
        for target in panel["targets"]:
            kept = re.search(r"sum by \(([a-z, ]+)\)", target["expr"])
            labels = set(kept[1].split(", ")) - {"le"} if kept else set()
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == labels


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_accepts_the_scrape_configuration() -> None:
    result = _promtool("check", "config", OPS / "prometheus" / "prometheus.yml")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_accepts_every_query_of_the_dashboard(tmp_path: Path) -> None:
    expressions = [
        target["expr"].replace("$__rate_interval", "1m") for panel in panels() for target in panel["targets"]
    ]
    rules = [{"record": f"query:{number}", "expr": text} for number, text in enumerate(expressions)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    result = _promtool("check", "rules", file)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(rules)} rules found" in result.stdout
    file.write_text(yaml.safe_dump({"groups": [{"name": "broken", "rules": [{"record": "x", "expr": "sum(("}]}]}))
    assert _promtool("check", "rules", file).returncode != 0


def _promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)


def test_prometheus_scrapes_gateway_and_every_worker_of_the_compose_file() -> None:
    config = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text())
    targets = {
        target for job in config["scrape_configs"] for group in job["static_configs"] for target in group["targets"]
    }
    compose = yaml.safe_load((OPS.parent / "docker-compose.yml").read_text())
    serving = {
        f"{name}:{port}"
        for name, service in compose["services"].items()
        for variable, port in (service.get("environment") or {}).items()
        if variable in ("TSUNAGI_GATEWAY_PORT", "TSUNAGI_WORKER_PORT")
    }
    assert targets == serving


def test_the_operators_pages_are_fresh() -> None:
    assert docs.stale() == [], "run `python -m ops.docs`"


def test_a_stale_or_missing_page_is_found(tmp_path: Path) -> None:
    assert docs.stale(tmp_path) == ["metrics.md", "settings.md"]
    assert docs.main(["--check"], tmp_path) == 1
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0
    (tmp_path / "metrics.md").write_text("old")
    assert docs.stale(tmp_path) == ["metrics.md"]


def test_the_settings_page_names_every_variable_once() -> None:
    page = docs.render_settings()
    for variable in docs.variables():
        assert page.count(f"| `{variable}` |") == 1
