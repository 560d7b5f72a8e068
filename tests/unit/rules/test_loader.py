"""A rules folder as a whole: what belongs together, what is missing, what is no rules file at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration_rules.loader import load

Edit = Callable[[str, str, str], None]
Found = Callable[[], list[str]]


def test_the_packaged_folder_is_without_mistakes(folder: Path, found: Found) -> None:
    assert found() == []
    assert load(folder).ruleset is not None


PICKUP = "rules/pickup-ready.yaml"


def test_a_broken_file_does_not_make_the_others_look_wrong(edit: Edit, found: Found) -> None:
    edit(PICKUP, "version: 1", "version: first")
    edit("caps.yaml", "limit: 1", "limit: none")
    edit("templates/abandoned-cart.ja.yaml", "{% endfor %}", "")
    files = [entry.partition(":")[0] for entry in found()]
    assert files == ["caps.yaml", "rules/pickup-ready.yaml", "templates/abandoned-cart.ja.yaml"]


def test_two_rules_of_one_name(folder: Path, found: Found) -> None:
    (folder / "rules/second.yaml").write_text((folder / PICKUP).read_text(encoding="utf-8"), encoding="utf-8")
    findings = found()
    assert (
        "rules/second.yaml:2: rule: 'pickup-ready' is also the name of the rule in rules/pickup-ready.yaml: "
        "rename one of the two"
    ) in findings
    assert (
        "rules/second.yaml:2: rule: expected the name of the file, found 'pickup-ready': rename one of the two"
        in findings
    )


def test_a_rule_needs_scenarios_that_fire_and_that_stay_silent(folder: Path, found: Found) -> None:
    scenarios = folder / "rules/pickup-ready.scenarios.yaml"
    text = scenarios.read_text(encoding="utf-8")
    head, _, _ = text.partition("  - name: told by text message")
    scenarios.write_text(head, encoding="utf-8")
    (finding,) = found()
    assert finding == (
        "rules/pickup-ready.yaml:1: rules/pickup-ready.scenarios.yaml has no scenario in which the rule stays silent: "
        "add one"
    )
    scenarios.unlink()
    (finding,) = found()
    assert finding == (
        "rules/pickup-ready.yaml:1: no scenarios: write rules/pickup-ready.scenarios.yaml, with one that fires and one "
        "that stays silent"
    )


def test_templates_are_needed_in_every_language_of_a_brand(folder: Path, found: Found) -> None:
    (folder / "templates/pickup-ready.en.yaml").unlink()
    assert found() == [
        "rules/pickup-ready.yaml:15: template: brand aoba has locale en: write templates/pickup-ready.en.yaml"
    ]


def test_a_template_that_no_rule_uses(folder: Path, found: Found) -> None:
    shutil.copy(folder / "templates/pickup-ready.ja.yaml", folder / "templates/old.ja.yaml")
    assert found() == ["templates/old.ja.yaml:1: no rule uses template 'old': remove the file, or name it in a rule"]


def test_a_template_without_a_text_for_a_channel(edit: Edit, found: Found) -> None:
    edit("templates/thank-you-after-call.ja.yaml", "text: |", "text:\n line: |")
    findings = found()
    assert findings[0] == (
        "templates/thank-you-after-call.ja.yaml:1: text: rule thank-you-after-call sends by sms: "
        "add text.sms or text.default"
    )


@pytest.mark.parametrize(
    ("name", "contents", "words"),
    [
        ("rules/empty.yaml", b"", "expected a mapping"),
        ("rules/list.yaml", b"- a\n- b\n", "expected a mapping"),
        ("rules/tab.yaml", b"rule:\n\t- x\n", "rules/tab.yaml:2: found character"),
        ("rules/binary.yaml", b"\xff\xfe\x00", "not UTF-8 text"),
        ("rules/nul.yaml", b"rule: \x00", "not YAML"),
        ("rules/object.yaml", b"rule: !!python/object:os.system x\n", "could not determine a constructor"),
        ("rules/deep.yaml", b"[" * 200 + b"]" * 200, "nested deeper than 50"),
        ("rules/large.yaml", b"# " + b"x" * 1_000_001, "larger than 1000000 bytes"),
        ("rules/wrong-ending.yml", b"rule: x\n", "expected the ending .yaml"),
        ("templates/no-locale.yaml", b"text: x\n", "expected a name <template>.<locale>.yaml"),
        (
            "rules/bomb.yaml",
            b"a0: &a0 x\n"
            + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 8)),
            "more than 100000 values",
        ),
    ],
)
def test_files_that_are_no_rules(folder: Path, found: Found, name: str, contents: bytes, words: str) -> None:
    (folder / name).write_bytes(contents)
    findings = found()
    assert len(findings) == 1, findings
    assert findings[0].startswith(name)
    assert words in findings[0]


def test_a_folder_that_is_no_rules_folder(tmp_path: Path) -> None:
    findings = [str(finding) for finding in load(tmp_path).findings]
    assert len(findings) == 2
    assert findings[0].startswith(f"brands.yaml:1: brands.yaml is missing in {tmp_path}")
    assert findings[1].startswith("rules:1: there are no rules in")


def test_a_caps_file_is_only_needed_by_rules_with_a_cap(folder: Path, found: Found) -> None:
    (folder / "caps.yaml").unlink()
    assert sorted(entry.partition(":")[0] for entry in found()) == [
        "rules/abandoned-cart.yaml",
        "rules/thank-you-after-call.yaml",
    ]
