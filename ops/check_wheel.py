"""Looks into the wheel: our packages and their data, nothing else: ``python -m ops.check_wheel [WHEEL]``.

Without a wheel it builds one with uv. What is missing from a wheel is noticed on nobody's own machine: there the
source tree is imported.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PACKAGES = ("schemas", "tables", "orchestration_rules", "connectors", "streams", "ops")
DATA = (
    "schemas/avro/*/*.avsc",
    "schemas/topics/*.yaml",
    "schemas/channels.yaml",
    "schemas/published/*/*.avsc",
    "schemas/examples/*.json",
    "orchestration_rules/*.yaml",
    "orchestration_rules/rule.schema.json",
    "orchestration_rules/rules/*.yaml",
    "orchestration_rules/templates/*.yaml",
    "connectors/gateway/console/*",
    "ops/embedded_kafka/kafka.lock",
)
"""What is no Python and is needed at run time; each pattern must match something."""
ROOT = Path(__file__).parents[1]


def findings(names: list[str], source: Path = ROOT) -> Iterator[str]:
    """What is wrong with a wheel that holds ``names``, compared with the source tree; one sentence each."""
    top = {PurePosixPath(name).parts[0] for name in names}
    info = {name for name in top if name.endswith(".dist-info")}
    for name in sorted(top - info - set(PACKAGES)):
        yield f"{name}/ is in the wheel: it would become everybody's top-level name"
    for name in sorted(set(PACKAGES) - top):
        yield f"{name}/ is missing from the wheel"
    if len(info) != 1:
        yield f"one .dist-info is expected, found {sorted(info)}"
    inside = set(names)
    for name in sorted(inside):
        if "__pycache__" in name or name.endswith(".pyc"):
            yield f"{name} is compiled code of somebody's machine"
    for pattern in DATA:
        wanted = _files(source, [pattern])
        if not wanted:
            yield f"{pattern} matches no file of the source tree: mend ops/check_wheel.py"
        for name in sorted(wanted - inside):
            yield f"{name} is missing from the wheel"
    for name in sorted(_files(source, [f"{package}/**/*.py" for package in PACKAGES]) - inside):
        yield f"{name} is missing from the wheel"


def _files(source: Path, patterns: list[str]) -> set[str]:
    found = {path.relative_to(source) for pattern in patterns for path in source.glob(pattern) if path.is_file()}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def names_in(wheel: Path) -> list[str]:
    """The files in a wheel; raises ``OSError`` or ``zipfile.BadZipFile``."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if not name.endswith("/")]


def build(folder: Path) -> Path:
    """Build the wheel into ``folder``; raises ``RuntimeError`` with what the build said."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise RuntimeError("no uv to build the wheel with: run `make check`, or give the wheel")
    done = subprocess.run(
        [uv, "build", "--wheel", "--out-dir", str(folder), str(ROOT)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the wheel was not built:\n{done.stderr.strip()}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def main(arguments: list[str]) -> int:
    """Say what is wrong with the wheel (exit 1), or how much is in it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            names = names_in(Path(arguments[0]) if arguments else build(Path(folder)))
        except (OSError, RuntimeError, zipfile.BadZipFile) as error:
            print(error, file=sys.stderr)
            return 2
    wrong = list(findings(names))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    if not wrong:
        print(f"{len(names)} files, all ours")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
