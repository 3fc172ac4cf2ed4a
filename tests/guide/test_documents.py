"""Every link, anchor and command of the documents leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from gateway.cli.main import main
from tests.support.sources import PROJECT, read_text, tracked_files

DOCUMENTS = [
    path
    for path in tracked_files()
    if path.suffix == ".md" and (path.parts[0] == "docs" or len(path.parts) == 1)
]
_FENCE = re.compile(r"(?ms)^```.*?^```$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"(?m)^#{1,6} (.+)$")
_SHELL = re.compile(r"(?ms)^```sh\n(.*?)^```$")
_QUOTED = re.compile(r"`((?:\.venv/bin/)?medaid [^`]+)`")


def _text(path: Path) -> str:
    return read_text(path) or ""


def anchors(path: Path) -> set[str]:
    """What the headings of a page are called in a link."""
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", _text(path))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found


def test_there_are_documents() -> None:
    """The search itself finds what it must."""
    assert {"README.md", "docs/integration.md"} <= {str(path) for path in DOCUMENTS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_links_and_anchors_exist(path: Path) -> None:
    """A relative link names a file of the project, an anchor a heading in it."""
    broken = []
    for target in _LINK.findall(_FENCE.sub("", _text(path))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (PROJECT / path.parent / file).resolve() if file else PROJECT / path
        known = (
            anchors(place.relative_to(PROJECT)) if anchor and place.is_file() else set()
        )
        if not place.exists() or (anchor and anchor not in known):
            broken.append(target)

    assert broken == []


def commands() -> list[tuple[str, str]]:
    """Page and words of every `medaid` command that the documents quote."""
    found = []
    for path in DOCUMENTS:
        text = _text(path)
        lines = "\n".join(_SHELL.findall(text)).replace("\\\n", " ").splitlines()
        quoted = [line for line in lines if re.match(r"(\.venv/bin/)?medaid ", line)]
        quoted += _QUOTED.findall(_FENCE.sub("", text))
        found += [(str(path), line) for line in quoted]
    return found


def test_commands_are_found() -> None:
    """The search itself finds what it must."""
    assert len(commands()) >= 20


@pytest.mark.parametrize(("path", "line"), sorted(set(commands())))
def test_quoted_command_exists(path: str, line: str) -> None:
    """Each names a command, and options that it has; values are the reader's."""
    words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and words:
        if words[0].startswith("-"):
            break
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, f"{path}: {line}"
        command = found
    known = {
        option
        for each in command.params
        for option in (*each.opts, *each.secondary_opts)
    }
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used - {"--help", "--version"} <= known, f"{path}: {line}"
