"""`medaid alerts`: what the detectors found, and working it off."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.alert_documents import alert_document, case_document
from gateway.cli.alerts_desk import case_named, reading, run_alerts
from gateway.cli.alerts_outliers import outliers_command
from gateway.cli.alerts_replay import replay_command
from gateway.cli.alerts_rules import rules_group
from gateway.cli.alerts_show import show_command
from gateway.cli.alerts_view import print_alerts, print_cases
from gateway.cli.alerts_webhook import webhook
from gateway.cli.alerts_words import CASE_STATES
from gateway.cli.alerts_work import (
    assign_command,
    confirm_command,
    dismiss_command,
    muted_command,
    unmute_command,
)
from gateway.cli.policy_view import console_for_tables
from gateway.location import json_option, location_options
from settlement.domain.watch.detectors import DETECTORS
from settlement.service.watch.work import (
    AlertSearch,
    ListedAlert,
    ListedCase,
    list_alerts,
    list_cases,
)

_OPEN = ("new", "assigned")
_state_option = click.option(
    "--state", type=click.Choice(list(CASE_STATES)), help="Only of cases that stand so."
)


@click.group()
def alerts() -> None:
    """Repeat claims and their like: what detectors found, and working it off.

    Everything shows tokens in place of persons. An ID is that of an alert or a case;
    its first 8 digits or more will do where no other one begins so.
    """


for _command in (
    show_command, assign_command, confirm_command, dismiss_command, muted_command,
    unmute_command, rules_group, replay_command, outliers_command, webhook,
):  # fmt: skip
    alerts.add_command(_command)


@alerts.command(
    "list", epilog="Example: medaid alerts list --detector exact-repeat --json"
)
@click.option("--detector", type=click.Choice(list(DETECTORS)), metavar="NAME",
              help="Only this detector's, by its name.")  # fmt: skip
@_state_option
@click.option("--case", "case", metavar="ID", help="Only those of one case.")
@click.option(
    "--facility", metavar="CODE", help="Only those with claims of this hospital."
)
@click.option("--all", "is_all", is_flag=True, help="Withdrawn and muted ones, too.")
@location_options
@json_option
def list_(
    detector: str | None,
    state: str | None,
    case: str | None,
    facility: str | None,
    is_all: bool,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """List the alerts that hold, case by case, the strongest first.

    With --json an array of all of them, in the order in which they were raised.
    """

    async def work() -> tuple[list[ListedAlert], list[ListedCase]]:
        async with reading(data_dir, dsn) as session:
            search = AlertSearch(
                states=None if is_all else ("raised",),
                detector=detector,
                case_state=state,
                case_id=None if case is None else await case_named(session, case),
            )
            found = await list_alerts(session, search)
            return found, [] if as_json else await list_cases(session)

    found, cases = run_alerts(work())
    if facility is not None:
        found = [a for a in found if facility in {a.facility, *a.facilities}]
    if as_json:
        click.echo(json.dumps([alert_document(alert) for alert in found]))
    else:
        print_alerts(console_for_tables(), found, cases)


@alerts.command("cases", epilog="Example: medaid alerts cases --state assigned")
@_state_option
@click.option("--all", "is_all", is_flag=True, help="Closed ones, too.")
@location_options
@json_option
def cases_(
    state: str | None, is_all: bool, data_dir: Path, dsn: str | None, *, as_json: bool
) -> None:
    """List the cases to be worked off, the strongest first."""
    states = (state,) if state is not None else None if is_all else _OPEN

    async def work() -> list[ListedCase]:
        async with reading(data_dir, dsn) as session:
            return await list_cases(session, states)

    found = run_alerts(work())
    if as_json:
        click.echo(json.dumps([case_document(case) for case in found]))
    else:
        print_cases(console_for_tables(), found)
