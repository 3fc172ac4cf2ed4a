"""`medaid his`: the envelope that hospital systems already speak."""

from __future__ import annotations

import importlib

import click

#: Command name to `module:attribute`; importing lazily keeps `--help` quick.
HIS_COMMANDS = {
    "allow": "gateway.cli.his_clients:allow_command",
    "list": "gateway.cli.his_clients:list_command",
    "revoke": "gateway.cli.his_clients:revoke_command",
    "simulate": "gateway.cli.his_simulate:simulate",
    "self-test": "gateway.cli.his_self_test:self_test",
}


class LazyHisGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order in which a vendor meets them."""
        del ctx
        return list(HIS_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or `None` for an unknown name."""
        del ctx
        target = HIS_COMMANDS.get(cmd_name)
        if target is None:
            return None
        module_name, attribute = target.split(":")
        command: click.Command = getattr(
            importlib.import_module(module_name), attribute
        )
        return command


@click.group(cls=LazyHisGroup)
def his() -> None:
    """Let hospital systems in that speak the national envelope, and try them."""
