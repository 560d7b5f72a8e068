"""The core is a function of its arguments: no clock, no randomness, no files, no processes, no event loop.

Imports are import-linter's business (pyproject.toml); here are the calls. What loads the packaged files is named below.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ("schemas", "tables", "orchestration_rules")
LOADERS = {
    "schemas/catalogue.py",  # the contract's own files, once
    "schemas/history.py",  # published versions and examples
    "schemas/generate.py",  # writes schemas/events.py; no part of a running pipeline
    "orchestration_rules/loader.py",  # a folder of rules
}
"""Files that may read (and, as commands, write) files. Clocks and randomness are not allowed there either."""

CLOCKS_AND_CHANCE = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "localtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "uuid": {"uuid1", "uuid4", "getnode"},
    "random": None,
    "secrets": None,
    "os": None,
    "socket": None,
    "threading": None,
    "asyncio": None,
}
"""Name before the dot -> attributes that are refused; ``None``: all of them."""
BUILTINS = {"id", "hash", "breakpoint", "exec", "eval"}
"""``hash`` of a string differs from process to process, ``id`` from run to run."""
FILE_METHODS = {
    "read_text", "read_bytes", "write_text", "write_bytes", "open", "exists", "is_file", "is_dir", "iterdir", "glob",
    "rglob", "stat", "mkdir", "unlink", "rename", "touch", "cwd", "home", "expanduser",
}  # fmt: skip
FILE_BUILTINS = {"open", "print", "input"}
FILE_MODULES = {"subprocess", "shutil", "tempfile", "sys"}

FILES = sorted(path for package in CORE for path in (ROOT / package).rglob("*.py"))


def impurities(source: str, *, may_read_files: bool = False) -> Iterator[str]:
    """``line: what`` for each call or name in ``source`` that makes it depend on more than its arguments."""
    tree = ast.parse(source)
    origins = _origins(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            if node.id in origins:
                module, _, name = origins[node.id].rpartition(".")
                if _refused(module.rpartition(".")[2], name):
                    yield f"{node.lineno}: {origins[node.id]}"
            elif node.id in BUILTINS or (node.id in FILE_BUILTINS and not may_read_files):
                yield f"{node.lineno}: {node.id}"
        elif isinstance(node, ast.Attribute):
            owner = _last_name(node.value, origins)
            if owner is not None and _refused(owner, node.attr):
                yield f"{node.lineno}: {owner}.{node.attr}"
            elif not may_read_files and (node.attr in FILE_METHODS or owner in FILE_MODULES):
                yield f"{node.lineno}: .{node.attr}"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{node.lineno}: async"


def _refused(owner: str, name: str) -> bool:
    if owner not in CLOCKS_AND_CHANCE:
        return False
    names = CLOCKS_AND_CHANCE[owner]
    return names is None or name in names


def _origins(tree: ast.Module) -> dict[str, str]:
    """Imported name -> where it comes from, whatever it is called here."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _last_name(node: ast.expr, origins: dict[str, str]) -> str | None:
    """The last part of ``a.b`` or of what the name ``x`` was imported as."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return origins.get(node.id, node.id).rpartition(".")[2] if node.id in origins else None
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_core_is_pure(path: Path) -> None:
    is_loader = path.relative_to(ROOT).as_posix() in LOADERS
    assert list(impurities(path.read_text(), may_read_files=is_loader)) == []


def test_every_loader_exists_and_reads_files() -> None:
    for name in LOADERS:
        assert list(impurities((ROOT / name).read_text())), f"{name} reads no files: take it off the list"


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "import time as t\nx = t.time_ns()",
        "from time import monotonic\nx = monotonic()",
        "from time import monotonic as m\nx = m()",
        "from datetime import datetime, UTC\nx = datetime.now(UTC)",
        "import datetime\nx = datetime.datetime.utcnow()",
        "from datetime import date\nx = date.today()",
        "import datetime as d\nx = d.date.today()",
        "import uuid\nx = uuid.uuid4()",
        "from uuid import uuid4\nx = uuid4()",
        "import random\nx = random.random()",
        "from random import shuffle\nshuffle([])",
        "import secrets\nx = secrets.token_hex()",
        "import os\nx = os.environ['HOME']",
        "from os import urandom\nx = urandom(8)",
        "x = hash('a')",
        "order = sorted([], key=hash)",
        "x = id(object())",
        "print('x')",
        "x = open('f')",
        "from pathlib import Path\nx = Path('f').read_text()",
        "from pathlib import Path\nx = sorted(Path('f').glob('*'))",
        "import io\nx = io.open('f')",
        "import subprocess\nsubprocess.run([])",
        "async def f() -> None: ...",
    ],
)
def test_what_is_impure_is_found(source: str) -> None:
    assert list(impurities(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import UTC, datetime, time\nx = datetime.fromtimestamp(0, UTC), time(9, 0)",
        "import uuid\nx = uuid.uuid5(uuid.NAMESPACE_DNS, 'a')",
        "from uuid import UUID\nx = UUID(int=0)",
        "def f(now: int, event_hash: bytes) -> int:\n    return now",
        "class A:\n    def __hash__(self) -> int:\n        return 1",
        "def fold(rows, event, now_ms):\n    rows.put('a', event)\n    return rows.get('a')",
    ],
)
def test_what_is_pure_passes(source: str) -> None:
    assert list(impurities(source)) == []


def test_a_loader_may_read_files_but_has_no_clock() -> None:
    assert list(impurities("from pathlib import Path\nx = Path('f').read_text()", may_read_files=True)) == []
    assert list(impurities("import time\nx = time.time()", may_read_files=True)) != []
