"""The console is one file that brings nothing from elsewhere and turns no data into markup."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connectors.gateway.console_page import console_page, content_security_policy

PAGE = files("connectors.gateway").joinpath("console/index.html").read_text(encoding="utf-8")


async def test_the_page_comes_with_a_policy_that_allows_its_own_script_only() -> None:
    app = web.Application()
    app.router.add_get("/", console_page())
    async with TestClient(TestServer(app)) as client, client.get("/") as answer:
        assert answer.status == 200
        assert await answer.text() == PAGE
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    (script,) = re.findall(r"<script>(.*?)</script>", PAGE, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_changed_script_would_not_run_under_the_old_policy() -> None:
    assert content_security_policy(PAGE) != content_security_policy(PAGE.replace("use strict", "use  strict"))


def test_nothing_is_fetched_from_elsewhere() -> None:
    sources = re.findall(r"""(?:src|href|action)=["']?([^"'\s>]+)""", PAGE)
    assert [source for source in sources if not source.startswith("data:")] == []
    assert re.findall(r"""(?:fetch|import)\(\s*["'`]https?:""", PAGE) == []
    assert "@import" not in PAGE
    assert "url(" not in PAGE


@pytest.mark.parametrize(
    "word",
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", " style="],
)
def test_no_way_from_data_to_markup_or_code(word: str) -> None:
    assert word not in PAGE


def test_both_languages_say_everything() -> None:
    english, japanese = re.search(r"en: \{(.*?)\n  \},\n  ja: \{(.*?)\n  \},\n\};", PAGE, re.DOTALL).groups()  # type: ignore[union-attr]
    words = [set(re.findall(r"[{,]?\s(\w+): (?:\"|n =>|s =>|t =>)", text)) for text in (english, japanese)]
    assert len(words[0]) > 60
    assert words[0] - words[1] == set()
