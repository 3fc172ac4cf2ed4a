"""`/docs`: one page that needs nothing from elsewhere."""

import base64
import hashlib
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.calls import CALLS
from gateway.docs_page import docs_page

PAGE, POLICY = docs_page()
TEXT = PAGE.decode()


class _Addresses(HTMLParser):
    """Collects everything that an element could load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            is_link = tag == "a" and name == "href"
            if name in {"src", "href", "srcset", "data", "action"} and not is_link:
                self.loaded.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)


def test_page_loads_nothing() -> None:
    """No address is loaded, by element, style or script; no inline handlers."""
    parser = _Addresses()
    parser.feed(TEXT)

    assert parser.loaded == ["data:,"]
    assert parser.handlers == []
    style = re.search(r"<style>(.*?)</style>", TEXT, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\s*\(", TEXT)
    assert "innerHTML" not in TEXT


def test_policy_allows_this_style_and_script_alone() -> None:
    """The policy names both by their hash and forbids all else."""
    for element in ("style", "script"):
        found = re.findall(rf"<{element}>(.*?)</{element}>", TEXT, re.DOTALL)
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in POLICY
    assert POLICY.startswith("default-src 'none'")
    assert "unsafe" not in POLICY


def test_document_cannot_end_its_script_element() -> None:
    """No text of the description can close the element that carries it."""
    carried = TEXT.split('<script type="application/json" id="openapi">')[1]

    assert "<" not in carried.split("</script>")[0]


@pytest.mark.browser
def test_page_shows_every_call(chromium: str, tmp_path: Path) -> None:
    """A real browser draws each call and each code, Chinese first."""
    page = tmp_path / "docs.html"
    page.write_bytes(PAGE)
    drawn = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000",
         "--dump-dom", page.as_uri()],
        capture_output=True, check=True, timeout=100, encoding="utf-8",
    ).stdout  # fmt: skip

    assert '<body class="zh">' in drawn
    for call in CALLS:
        assert f'<article id="{call.name}">' in drawn
    assert '<tr id="MA-1102">' in drawn
    assert "试算" in drawn
