"""Every command explains itself, and refuses wrong use in one clear sentence."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from tests.acceptance.desk import bill
from tests.acceptance.gateway_process import medaid
from tests.acceptance.test_operators_path import one_sentence

_OPTION = re.compile(r"--[a-z-]+")

#: The contract's table: command, and the options that it names.
CONTRACT = {
    "init": "--sandbox --bureau-public-key --data-dir --dsn",
    "serve": "--host --port --workers --tls-cert --tls-key --behind-proxy --config"
    " --metrics-port --data-dir --dsn",
    "party add": "--role --name --key-out --public-key --alg --data-dir --dsn",
    "party list": "--json --data-dir --dsn",
    "party revoke-key": "--data-dir --dsn",
    "facility add": "--level --subdistrict --key-out --public-key --alg --data-dir",
    "roster import": "--max-refused --json --data-dir --dsn",
    "roster status": "--json --data-dir --dsn",
    "roster sign": "--kind --version --key --out",
    "roster generate": "--persons --out",
    "policy list": "--installed --json --data-dir --dsn",
    "policy check": "--json",
    "policy show": "--html --installed --json --data-dir --dsn",
    "policy diff": "--month --bureau-key --json --data-dir --dsn",
    "policy simulate": "--month --year --bureau-key --html --json --data-dir --dsn",
    "policy approve": "--key --json --data-dir --dsn",
    "policy activate": "--from --accept-unconfirmed --bureau-key --csv --json"
    " --data-dir --dsn",
    "policy retroactive": "--bureau-key --csv --json --data-dir --dsn",
    "policy explain": "--bureau-key --json --data-dir --dsn",
    "quote": "--policy --category --bill --used --deductible-used --facility-level",
    "replay": "--limit --concurrency --eligible --json",
    "settlements export": "--month --facility --out --json --data-dir --dsn",
    "stats": "--months --by --dimension --facility --csv --html --json --data-dir"
    " --dsn",
    "verify": "--trust --bureau-key --json --data-dir",
    "witness init": "--name --out",
    "witness trust": "--trust",
    "witness serve": "--dir --log-key --trust --host --port",
    "witness cosign": "--dir --gateway --trust --out --follow",
    "witness submit": "--gateway --to --trust --witness --out",
    "witness check": "--trust --witness --against --json",
    "keys list": "--json --data-dir",
    "keys export-trust": "--data-dir",
    "alerts list": "--detector --state --case --facility --all --json --data-dir --dsn",
    "alerts cases": "--state --all --json --data-dir --dsn",
    "alerts show": "--html --svg --identity --roster --by --bureau-key --json"
    " --data-dir --dsn",
    "alerts assign": "--to --note --by --data-dir --dsn",
    "alerts confirm": "--recover --note --by --data-dir --dsn",
    "alerts dismiss": "--note --by --data-dir --dsn",
    "alerts muted": "--json --data-dir --dsn",
    "alerts unmute": "--by --data-dir --dsn",
    "alerts rules list": "--json --data-dir --dsn",
    "alerts rules show": "--yaml --data-dir --dsn",
    "alerts rules check": "--json",
    "alerts rules put": "--by --data-dir --dsn",
    "alerts replay": "--rules --months --json --data-dir --dsn",
    "alerts outliers": "--month --json --data-dir --dsn",
    "roster audit": "--day --ending-within --reentered-within --contradicting"
    " --deaths --most --html --json --data-dir --dsn",
    "roster forget": "--numbers --years --by --dry-run --json --data-dir --dsn",
    "roster sweep": "--since --json --data-dir --dsn",
    "check-books": "--json --data-dir --dsn",
    "demo": "--once --data-dir",
}


def leaves(
    command: click.Command, name: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its name."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for each in command.list_commands(context):
        below = command.get_command(context, each)
        assert below is not None
        yield from leaves(below, (*name, each))


COMMANDS = dict(leaves(main))


def shown_help(name: tuple[str, ...]) -> str:
    """What `medaid NAME --help` prints, its line breaks undone."""
    result = CliRunner().invoke(main, [*name, "--help"], terminal_width=200)
    assert result.exit_code == 0
    # An option that was broken at its hyphen is one word again.
    return re.sub(r"\s+", " ", re.sub(r"-\n\s+", "-", result.output))


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_is_right(name: tuple[str, ...]) -> None:
    """The example is of this command and uses options that it has."""
    found = re.search(r"Example: (medaid .*?)(?: Options: |$)", shown_help(name))

    assert found is not None
    example = found[1]
    assert example.startswith(f"medaid {' '.join(name)}")
    known = {o for p in COMMANDS[name].params for o in (*p.opts, *p.secondary_opts)}
    used = {word for word in shlex.split(example) if _OPTION.fullmatch(word)}
    assert used <= known


def test_groups_list_their_commands() -> None:
    """`medaid --help` and each group's help say in a line what each command does."""
    groups = {name[:depth] for name in COMMANDS for depth in range(len(name))}

    for group in groups:
        text = shown_help(group)
        for name in COMMANDS:
            if name[: len(group)] == group:
                assert f" {name[len(group)]} " in text


@pytest.mark.parametrize("name", CONTRACT)
def test_command_of_the_contract(name: str) -> None:
    """The names that the bureau and its checks rely on."""
    text = shown_help(tuple(name.split()))

    for option in CONTRACT[name].split():
        assert re.search(rf"{option}\b", text), option


WRONG_USE = {
    "serve without init": ("serve", "--data-dir", "{}"),
    "init without a bureau": ("init", "--data-dir", "{}"),
    "facility without a key": ("facility", "add", "H1", "--data-dir", "{}"),
    "facility without init": (
        *("facility", "add", "H1", "--key-out", "{}/k"), "--data-dir", "{}",
    ),
    "party of no role": ("party", "add", "X", "--role", "guest", "--name", "x"),
    "import of nothing": ("roster", "import", "{}/m.json", "--data-dir", "{}"),
    "sign without a key": (
        *("roster", "sign", "{}/bill.json", "--kind", "full", "--version", "1"),
        *("--key", "{}/none.json", "--out", "{}/m.json"),
    ),
    "roster of nobody": ("roster", "generate", "--persons", "0", "--out", "{}/r"),
    "unknown pack": ("policy", "show", "atlantis"),
    "quote of no bill": (
        *("quote", "--policy", "demo-district", "--category", "低保"),
        *("--bill", "{}/broken.json"),
    ),
    "quote of no category": (
        *("quote", "--policy", "demo-district", "--category", "富人"),
        *("--bill", "{}/bill.json"),
    ),
    "export of no month": (
        *("settlements", "export", "--month", "2026-13", "--out", "{}/x"),
        *("--data-dir", "{}"),
    ),
    "stats of no month": ("stats", "--months", "2026-13", "--data-dir", "{}"),
    "verify of nothing": ("verify", "{}/none"),
    "verify without trust": ("verify", "{}/bill.json", "--data-dir", "{}"),
    "keys without init": ("keys", "list", "--data-dir", "{}"),
    "books without init": ("check-books", "--data-dir", "{}"),
    "replay of something else": ("replay", "{}/bill.json", "--data-dir", "{}"),
    "unknown setting": ("serve", "--workers", "0", "--data-dir", "{}"),
    "open to everybody": ("serve", "--host", "0.0.0.0", "--data-dir", "{}"),  # noqa: S104
    "unknown command": ("settel",),
    "unknown option": ("init", "--sandbx"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_USE)
def test_wrong_use(name: str, tmp_path: Path) -> None:
    """A status that is not 0, one sentence, and nothing made or changed."""
    (tmp_path / "bill.json").write_text(str(bill(1)).replace("'", '"'), "utf-8")
    (tmp_path / "broken.json").write_text('{"total_fen": "many"}', "utf-8")
    arguments = [part.replace("{}", str(tmp_path)) for part in WRONG_USE[name]]

    result = medaid(*arguments)

    assert one_sentence(result)
    assert result.out == ""
    made = {path.name for path in tmp_path.iterdir()} - {"bill.json", "broken.json"}
    assert made == set()
