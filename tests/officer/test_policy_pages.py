"""Pages of the policy desk in a real browser: nothing from outside, whole on A4."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from gateway.cli.policy_figures import Simulated
from gateway.cli.policy_html import page, table
from gateway.cli.policy_page import pack_page
from gateway.cli.policy_simulation_view import simulation_page
from settlement import policies
from settlement.domain.policy import compile_pack
from settlement.service.policy_replay import PersonResult, Redecided
from settlement.service.policy_simulation import Simulation
from tests.support.browser import Browser

#: A4 less the margins of the sheet, in CSS pixels.
_PRINTED_WIDTH = 688
_A4 = {(595, 842), (594, 841), (596, 842), (595, 841)}
_MEASURE = """<script>
const names = "table, svg, p, h1, h2, h3, code, text, rect";
const cut = [...document.querySelectorAll(names)].filter(e => {
  const box = e.getBoundingClientRect();
  return box.right > innerWidth + 1 || box.left < 0;
});
document.body.dataset.cut = cut.map(e => e.textContent.slice(0, 40)).join("|");
document.body.dataset.seen = document.querySelectorAll("table").length;
</script>"""


def shipped(name: str) -> str:
    """The page of a pack that comes with the program."""
    return pack_page(compile_pack(policies.read(name)))


def run_browser(browser: Browser, *options: str) -> str:
    """Run it with its console on standard error, which is given."""
    unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [
            *(browser.program, "--headless", "--disable-gpu", *unsafe),
            *(f"--user-data-dir={browser.profile}", "--enable-logging=stderr"),
            "--host-resolver-rules=MAP * ~NOTFOUND",
            *options,
        ],
        capture_output=True,
        check=True,
        text=True,
        timeout=90,
    )
    return done.stderr


def shown(browser: Browser, html: str, folder: Path) -> tuple[str, str]:
    """The console's words on a page, and what a script finds cut off in it."""
    plain, copy = folder / "page.html", folder / "measured.html"
    plain.write_text(html, "utf-8")
    # The page itself allows no script.
    measured = re.sub(r"<meta http-equiv[^>]*>", "", html) + _MEASURE
    copy.write_text(measured, "utf-8")
    console = run_browser(browser, "--dump-dom", plain.as_uri())
    dom = subprocess.run(
        [
            *(browser.program, "--headless", "--disable-gpu", "--hide-scrollbars"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            *(f"--user-data-dir={browser.profile}", "--dump-dom"),
            *(f"--window-size={_PRINTED_WIDTH},1000", copy.as_uri()),
        ],
        capture_output=True, check=True, text=True, timeout=90,
    ).stdout  # fmt: skip
    return console, dom


@pytest.mark.parametrize("name", policies.names())
def test_page_is_one_file_with_everything(name: str) -> None:
    """Each quote, each case, the hash in foot and signature; nothing to load."""
    pack = compile_pack(policies.read(name))
    html = shipped(name)

    assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"']?(?!data:)\w+:", html)
    assert "<script" not in html
    # In the style's foot, in the text's foot, and above the signatures.
    assert html.count(pack.ref.sha256) == 3
    for case in pack.document.cases:
        assert f"<td>{case.name}</td>" in html
    for source in pack.document.sources:
        for sentence in (source.quote, source.note):
            assert sentence.replace('"', "&quot;").replace("'", "&#x27;") in html
    assert ('class="open"' in html) == any(
        not source.confirmed for source in pack.document.sources
    )


def test_what_a_pack_says_stays_text() -> None:
    """Markup in a title or a cell is shown, not obeyed, in text and style."""
    evil = '</style><script>alert(1)</script>"; } *'
    html = page(evil, evil, [table([evil], [[evil]])])

    assert "<script" not in html
    assert html.count("</style>") == 1


def test_page_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    """No word on the console, and no element wider than the printed sheet."""
    html = shipped("beijing-2023-2.yaml")
    console, dom = shown(browser, html, tmp_path)

    assert "CONSOLE" not in console
    assert int(re.findall(r'data-seen="(\d+)"', dom)[0]) > 20
    assert re.findall(r'data-cut="([^"]*)"', dom) == [""]


def test_simulation_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    """The longest names and the largest sums stay on the sheet."""
    pack = compile_pack(policies.read("beijing-2023-2.yaml"))
    result, person = Simulation(), PersonResult()
    for number, category in enumerate(pack.document.categories):
        person.redecided.append(
            Redecided(
                id=bytes([number]) * 16,
                month=2026_01,
                care_type="outpatient_special",
                subdistrict="110101001",
                category_before=category.id,
                category_after=category.id,
                reason_before="MA-2000",
                reason_after="MA-2002",
                aid_before_fen=number * 12_345_678_901,
                aid_after_fen=number * 9_345_678_901,
                was_approved=True,
                is_approved=True,
            )
        )
    person.capped.add("outpatient")
    result.add(person)
    html = simulation_page(Simulated(pack, 2026_01, result, result))

    console, dom = shown(browser, html, tmp_path)

    assert "CONSOLE" not in console
    assert html.count("<svg") == 4
    assert re.findall(r'data-cut="([^"]*)"', dom) == [""]


def test_page_prints_on_a4(browser: Browser, tmp_path: Path) -> None:
    """Some sheets of A4, more for a pack with more cases."""
    counts = []
    for name in ("beijing-2023.yaml", "beijing-2023-2.yaml"):
        html, pdf = tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"
        html.write_text(shipped(name), "utf-8")
        run_browser(
            browser, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", html.as_uri()
        )
        content = pdf.read_bytes()
        boxes = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", content)
        assert {(int(float(w)), int(float(h))) for w, h in boxes} <= _A4
        counts.append(len(re.findall(rb"/Type\s*/Page\b", content)))
    assert 5 <= counts[0] < counts[1] <= 40
