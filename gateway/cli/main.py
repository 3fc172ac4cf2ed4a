"""The `medaid` program: finds each command's module only when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from gateway.last_words import fill_standard_streams, speak_without_traceback

#: Command name to `module:attribute`; importing lazily keeps `--help` quick.
COMMANDS = {
    "init": "gateway.cli.init:init",
    "serve": "gateway.cli.serve:serve",
    "party": "gateway.cli.party:party",
    "facility": "gateway.cli.party:facility",
    "his": "gateway.cli.his:his",
    "roster": "gateway.cli.roster:roster",
    "policy": "gateway.cli.policy:policy",
    "quote": "gateway.cli.quote:quote",
    "replay": "gateway.cli.replay:replay",
    "demo": "gateway.cli.demo:demo",
    "settlements": "gateway.cli.settlements:settlements",
    "stats": "gateway.cli.stats:stats",
    "verify": "gateway.cli.verify:verify",
    "reconcile": "gateway.cli.reconcile:reconcile",
    "witness": "gateway.cli.witness:witness",
    "keys": "gateway.cli.keys:keys",
    "alerts": "gateway.cli.alerts:alerts",
    "loadtest": "gateway.cli.loadtest:loadtest",
    "check-books": "gateway.cli.check_books:check_books",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def main(self, *args: Any, **options: Any) -> Any:
        """As click does; of a real command line the last words are ours.

        Whoever calls with arguments of their own, as tests do, keeps their hooks.
        """
        if not args and options.get("args") is None:
            fill_standard_streams()
            speak_without_traceback()
        return super().main(*args, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or `None` for an unknown name."""
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module_name, attribute = target.split(":")
        command: click.Command = getattr(
            importlib.import_module(module_name), attribute
        )
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="medaid-gateway", prog_name="medaid")
def main() -> None:
    """Settle medical aid at the hospital's checkout: exactly once, provably."""


if __name__ == "__main__":
    main()
