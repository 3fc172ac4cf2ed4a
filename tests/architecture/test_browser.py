"""The browser of the page tests is a real one, and cut off from the world."""

from pathlib import Path

import pytest

from tests.support.browser import Browser

pytestmark = pytest.mark.browser

_PAGE = """<!doctype html><p id="sum"></p><p id="outside"></p>
<script>document.getElementById("sum").textContent = `ran ${6 * 7}`</script>
<img src="http://example.org/a.png"
  onload="document.getElementById('outside').textContent = 'reached'"
  onerror="document.getElementById('outside').textContent = 'out of reach'">"""


def test_browser_runs_scripts_and_reaches_nothing_outside(
    browser: Browser, tmp_path: Path
) -> None:
    """What a script writes is seen; what lies elsewhere cannot be loaded."""
    page = tmp_path / "page.html"
    page.write_text(_PAGE, encoding="utf-8")
    seen = browser.page(page.as_uri())

    assert "ran 42" in seen
    assert ">out of reach<" in seen


def test_browser_takes_pictures(browser: Browser, tmp_path: Path) -> None:
    """What a person would see can be looked at."""
    page = tmp_path / "page.html"
    page.write_text(_PAGE, encoding="utf-8")
    browser.picture(page.as_uri(), tmp_path / "page.png")

    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
