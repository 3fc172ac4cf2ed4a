"""What the national floor says of a pack, and the JSON Schema for editors."""

from __future__ import annotations

from typing import Any

import click

from settlement import policies
from settlement.domain.policy import CompiledPack
from settlement.domain.policy.floor import floor_findings
from settlement.domain.policy.floor_reading import read_floor


def floor_entries(pack: CompiledPack) -> list[dict[str, Any]]:
    """Every demand of a floor that the pack does not meet; none for a fictional one."""
    return [
        {
            "floor": floor.id,
            "check": finding.check.key,
            "severity": "error" if finding.is_error else "warning",
            "field": finding.field,
            "text": {"zh": finding.text.zh, "en": finding.text.en},
        }
        for floor in (
            read_floor(policies.read_floor(n)) for n in policies.floor_names()
        )
        for finding in floor_findings(floor, pack.document)
    ]


def meets_floor(entries: list[dict[str, Any]]) -> bool:
    """Whether no demand that rests on a confirmed quote is unmet."""
    return all(entry["severity"] != "error" for entry in entries)


def print_floor(name: str, entries: list[dict[str, Any]]) -> None:
    """One line in each language for each demand."""
    for entry in entries:
        word = "错误 error" if entry["severity"] == "error" else "警告 warning"
        place = f"{name}: {entry['field']}"
        click.echo(
            f"{place}: {entry['floor']} {entry['check']} {word} {entry['text']['zh']}"
        )
        click.echo(f"    {entry['text']['en']}")


@click.command(
    name="schema", epilog="Example: medaid policy schema > medaid-pack-1.schema.json"
)
def print_schema() -> None:
    """Print the JSON Schema of packs, for the editor that you write them in.

    An editor that knows it completes keys and marks mistakes while you type; sums,
    references and contradictions are found by `medaid policy check` alone.
    """
    click.echo(policies.read_schema(), nl=False)
