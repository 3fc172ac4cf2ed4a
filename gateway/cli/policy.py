"""`medaid policy`: list, show and check policy packs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.cli.policy_desk import html_option, run_desk, stored_pack, write_page
from gateway.cli.policy_diff import diff_packs
from gateway.cli.policy_explain import explain_settlement
from gateway.cli.policy_floor import (
    floor_entries,
    meets_floor,
    print_floor,
    print_schema,
)
from gateway.cli.policy_list import standing_json, standing_table, standings
from gateway.cli.policy_office import activate_pack, approve_pack
from gateway.cli.policy_page import pack_page
from gateway.cli.policy_retroactive import retroactive_pack
from gateway.cli.policy_simulate import simulate_pack
from gateway.cli.policy_view import (
    console_for_tables,
    pack_document,
    print_pack,
    table_of,
)
from gateway.installation import Installation, InstallationFault
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement import policies
from settlement.domain.policy import (
    CompiledPack,
    PolicyError,
    PolicyFault,
    cells_without_case,
    compile_pack,
    run_cases,
)
from settlement.store.policies import PackRow, read_packs

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def policy() -> None:
    """Policy packs: a decree as rules that people can read and a gateway applies."""


policy.add_command(approve_pack)
policy.add_command(activate_pack)
policy.add_command(diff_packs)
policy.add_command(simulate_pack)
policy.add_command(retroactive_pack)
policy.add_command(explain_settlement)
policy.add_command(print_schema)


@policy.command(name="list", epilog="Example: medaid policy list --installed --json")
@click.option(
    "--installed",
    is_flag=True,
    help="Those in the database instead, with state and approvals.",
)
@json_option
@location_options
def list_packs(
    data_dir: Path, dsn: str | None, *, installed: bool, as_json: bool
) -> None:
    """List the packs that come with the program, or those in the database."""
    if installed:
        _list_installed(data_dir, dsn, as_json=as_json)
        return
    packs = shipped_packs()
    if as_json:
        _print_json({"packs": [_summary(pack) for pack in packs]})
        return
    table = table_of("政策 Pack", "名称 Title", "施行 In force", "类别", "算例 Cases")
    for pack in packs:
        document = pack.document
        table.add_row(
            f"{pack.ref.id}@{pack.ref.version}",
            f"{document.title.zh}\n{document.title.en}",
            f"{document.in_force_from} – {document.in_force_to or '…'}",
            str(len(document.categories)),
            str(len(document.cases)),
        )
    console_for_tables().print(table)


def _list_installed(data_dir: Path, dsn: str | None, *, as_json: bool) -> None:
    async def read() -> list[PackRow]:
        async with open_database(data_dir, dsn, max_size=2) as database:
            return await read_packs(database, staged=True)

    try:
        sandbox = Installation.load(data_dir).sandbox
    except InstallationFault as fault:
        raise click.ClickException(str(fault)) from fault
    found = standings(run_desk(read()), sandbox=sandbox, now=wall_clock())
    if as_json:
        _print_json({"packs": [standing_json(each) for each in found]})
    else:
        console_for_tables().print(standing_table(found))


@policy.command(
    epilog="Example: medaid policy show beijing@2023.1 --html beside-the-decree.html"
)
@click.argument("reference", metavar="ID[@VERSION]")
@click.option(
    "--installed", is_flag=True, help="The pack of that name in the database instead."
)
@html_option
@json_option
@location_options
def show(
    reference: str,
    html: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    installed: bool,
    as_json: bool,
) -> None:
    """Show one pack as a table to lay beside the decree.

    ID[@VERSION] is a pack that comes with the program, or the path of a YAML file.
    """
    pack = stored_pack(data_dir, dsn, reference) if installed else load_pack(reference)
    if html is not None:
        write_page(html, pack_page(pack))
        click.echo(f"页面 page: {html}", err=as_json)
        if not as_json:
            return
    if as_json:
        _print_json(_summary(pack) | pack_document(pack.document))
    else:
        print_pack(pack, console_for_tables())


@policy.command(epilog="Example: medaid policy check my-district.yaml")
@click.argument("file", type=_FILE, required=False)
@json_option
def check(file: Path | None, as_json: bool) -> None:
    """Read a pack, look for contradictions and run its worked cases.

    Without FILE all packs that come with the program are checked. Every fault is
    named with its line and field; ends with status 1 when there is one.
    """
    if file is not None:
        documents = [(str(file), _read(file))]
    else:
        documents = [(name, policies.read(name)) for name in policies.names()]
    checked = [_check(name, document) for name, document in documents]
    is_sound = all(entry["ok"] for entry in checked)
    if as_json:
        _print_json({"ok": is_sound, "packs": checked})
    else:
        for entry in checked:
            _print_checked(entry)
    if not is_sound:
        sys.exit(1)


def shipped_packs() -> list[CompiledPack]:
    """All packs that come with the program, compiled."""
    return [compile_pack(policies.read(name)) for name in policies.names()]


def load_pack(reference: str) -> CompiledPack:
    """The pack named by `ID`, `ID@VERSION` or the path of a YAML file.

    Without a version the latest one. Raises `click.ClickException` for an unknown
    name and for a document that cannot be used.
    """
    path = Path(reference)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return _compile(_read(path), str(path))
    name, _, version = reference.partition("@")
    packs = shipped_packs()
    found = [
        pack
        for pack in packs
        if pack.ref.id == name and version in {"", pack.ref.version}
    ]
    if not found:
        known = "、".join(f"{pack.ref.id}@{pack.ref.version}" for pack in packs)
        raise click.ClickException(
            f"MA-7020 没有政策 {reference}；现有：{known}。"
            f"There is no pack {reference}; known are {known.replace('、', ', ')}."
        )
    return max(found, key=lambda pack: pack.known_since)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.ClickException(
            f"{file} cannot be read: {error.strerror}"
        ) from error


def _compile(document: bytes, name: str) -> CompiledPack:
    try:
        return compile_pack(document)
    except PolicyError as error:
        lines = "\n".join(f"{name}:{fault}" for fault in error.faults)
        raise click.ClickException(f"the pack cannot be used\n{lines}") from error


def _check(name: str, document: bytes) -> dict[str, Any]:
    try:
        pack = compile_pack(document)
    except PolicyError as error:
        faults = [_fault(fault) for fault in error.faults]
        return {"file": name, "ok": False, "faults": faults}
    results, floor = run_cases(pack), floor_entries(pack)
    return {
        "file": name,
        "ok": meets_floor(floor),
        "faults": [],
        "floor": floor,
        **_summary(pack),
        "cases_passed": sum(result.passed for result in results),
        "cells_without_case": [
            f"{category}.{care}" for category, care in cells_without_case(pack)
        ],
    }


def _fault(fault: PolicyFault) -> dict[str, Any]:
    return {
        "code": fault.code,
        "line": fault.line,
        "field": fault.field,
        "text": {"zh": fault.text.zh, "en": fault.text.en},
    }


def _summary(pack: CompiledPack) -> dict[str, Any]:
    document = pack.document
    return {
        "id": pack.ref.id,
        "version": pack.ref.version,
        "sha256": pack.ref.sha256,
        "title": {"zh": document.title.zh, "en": document.title.en},
        "jurisdiction": document.jurisdiction,
        "fictional": document.fictional,
        "in_force_from": document.in_force_from,
        "in_force_to": document.in_force_to,
        "known_since": document.known_since,
        "categories": [category.id for category in document.categories],
        "cases": len(document.cases),
        "sources": len(document.sources),
        "unconfirmed": [
            source.key for source in document.sources if not source.confirmed
        ],
    }


def _print_checked(entry: dict[str, Any]) -> None:
    name = entry["file"]
    print_floor(name, entry.get("floor", []))
    if entry["faults"]:
        for fault in entry["faults"]:
            place = f"{name}:{fault['line']}: {fault['field']}"
            click.echo(f"{place}: {fault['code']} {fault['text']['zh']}")
            click.echo(f"    {fault['text']['en']}")
        count = len(entry["faults"])
        click.echo(f"{name}: {count} 处错误，不能使用 / {count} faults, not usable")
        return
    unconfirmed, untouched = len(entry["unconfirmed"]), len(entry["cells_without_case"])
    verdict = "可用 / sound" if entry["ok"] else "低于国家底线 / below the floor"
    click.echo(
        f"{name}: {entry['id']}@{entry['version']} {verdict}: "
        f"{entry['cases_passed']} of {entry['cases']} worked cases, "
        f"{entry['sources']} sources ({unconfirmed} unconfirmed), "
        f"{len(entry['categories'])} categories, {untouched} cells without a case"
    )


def _print_json(document: dict[str, Any]) -> None:
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
