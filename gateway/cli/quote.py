"""`medaid quote`: what a bill would get, without roster or database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import click
import orjson

from gateway.cli.policy import load_pack
from gateway.render import JsonRenderer
from gateway.wire import parse_bill
from gateway.wiring import wall_clock
from settlement.domain.bill import Bill
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import AccumulatorKey, Adjudication, Text
from settlement.domain.errors import RequestRefused
from settlement.domain.policy import CompiledPack, canonical_category
from settlement.domain.policy.document import DEDUCTIBLE_POT, RESERVED_POTS
from settlement.domain.reasons import reason
from settlement.service.asking import check_bill
from settlement.service.outcome import Outcome, without_receipt


@click.command(
    epilog="Example: medaid quote --policy demo-district --category 低保 "
    "--bill bill.json --used outpatient=590000"
)
@click.option(
    "--policy",
    "reference",
    required=True,
    metavar="ID[@VERSION]",
    help="The pack, as `medaid policy list` shows it, or the path of a YAML file.",
)
@click.option(
    "--category",
    "names",
    required=True,
    metavar="NAME[,NAME]",
    help="The person's categories: ids, names, aliases or national codes.",
)
@click.option(
    "--bill",
    "bill_file",
    required=True,
    type=click.File("rb"),
    metavar="FILE",
    help="The BILL as JSON; - reads standard input.",
)
@click.option(
    "--used",
    "used",
    multiple=True,
    metavar="POT=FEN",
    help="Aid that the pot paid earlier in the year; may be given for each pot.",
)
@click.option(
    "--deductible-used",
    type=click.IntRange(min=0),
    default=0,
    metavar="FEN",
    help="What counted towards the yearly deductible before.",
)
@click.option("--facility-level", type=click.IntRange(1, 3), metavar="N")
def quote(
    reference: str,
    names: str,
    bill_file: BinaryIO,
    used: tuple[str, ...],
    deductible_used: int,
    facility_level: int | None,
) -> None:
    """Compute what a bill would get under a policy and print the DECISION.

    Nothing is stored and nobody is bound: the category is taken as given.
    """
    pack = load_pack(reference)
    categories = _categories(pack, names)
    bill = _read_bill(bill_file.read())
    day = pack.policy_day(bill)
    if not pack.covers(day):
        ends = pack.document.in_force_to or "…"
        raise click.ClickException(
            f"MA-5106 {reason('MA-5106').text.zh} {pack.ref.id}@{pack.ref.version} is "
            f"in force from {pack.document.in_force_from} to {ends}, not on {day}."
        )
    used_fen = {
        AccumulatorKey(pack.year_of(day), pot): fen
        for pot, fen in [*_used(pack, used), (DEDUCTIBLE_POT, deductible_used)]
    }
    result = pack.adjudicate(
        bill,
        categories,
        used_fen,
        facility_level,
        settled_on=shanghai_day(wall_clock()),
    )
    click.echo(_decision(pack, result))


def _categories(pack: CompiledPack, names: str) -> list[str]:
    categories = []
    for name in names.split(","):
        category = canonical_category(pack, name)
        if category is None:
            known = ", ".join(
                f"{category.id}（{category.short.zh}）"
                for category in pack.document.categories
            )
            raise click.BadParameter(
                f"{name!r} is no category of {pack.ref.id}; known are {known}",
                param_hint="--category",
            )
        categories.append(category)
    return categories


def _read_bill(raw: bytes) -> Bill:
    try:
        bill = parse_bill(raw)
        check_bill(bill, wall_clock())
    except RequestRefused as refused:
        raise click.ClickException(_refusal(refused)) from refused
    return bill


def _refusal(refused: RequestRefused) -> str:
    text = reason(refused.reason).text
    lines = [f"{refused.reason} {text.zh} {text.en}"]
    lines.extend(
        f"  {fault.path}: {fault.reason} {reason(fault.reason).text.zh} "
        f"{reason(fault.reason).text.en}"
        for fault in refused.faults
    )
    return "\n".join(lines)


def _used(pack: CompiledPack, pairs: Iterable[str]) -> list[tuple[str, int]]:
    pots = [*pack.document.pots, *RESERVED_POTS]
    amounts = []
    for pair in pairs:
        pot, _, fen = pair.partition("=")
        if pot not in pots or not (fen.isascii() and fen.isdigit()):
            raise click.BadParameter(
                f"{pair!r} is not POT=FEN, with POT one of {', '.join(pots)}",
                param_hint="--used",
            )
        amounts.append((pot, int(fen)))
    return amounts


def _decision(pack: CompiledPack, result: Adjudication) -> bytes:
    outcome = Outcome(
        settlement_id=None,
        settled_at=wall_clock(),
        adjudication=result,
        policy=pack.ref,
        category_text=(
            Text(*pack.category_text(result.category)) if result.category else None
        ),
        roster=None,
    )
    body = without_receipt(JsonRenderer().decision(outcome))
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
