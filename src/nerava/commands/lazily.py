"""Commands that are loaded when they are called, so that none waits for what another one needs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

if TYPE_CHECKING:
    from typer._click.core import Command, Context

COMMANDS: Final = {
    "ledger": "nerava.commands.ledger:app",
    "audit": "nerava.commands.audit:app",
    "campaigns": "nerava.commands.campaigns:app",
    "reconcile": "nerava.commands.reconcile:reconcile_command",
    "erasures": "nerava.commands.erasures:app",
    "switch": "nerava.commands.switch:app",
    "data": "nerava.commands.data:app",
    "bench": "nerava.commands.bench:app",
    "import": "nerava.commands.imports:app",
    "map": "nerava.commands.maps:app",
    "keys": "nerava.commands.keys:app",
    "demo": "nerava.commands.demo:demo_command",
    "replay": "nerava.commands.replay:replay_command",
    "serve": "nerava.commands.serve:serve_command",
    "work": "nerava.commands.serve:work_command",
    "token": "nerava.commands.identity:token_command",
    "ocpi": "nerava.commands.ocpi:app",
    "hubspot": "nerava.commands.hubspot:app",
    "ops": "nerava.commands.ops:app",
    "inbox": "nerava.commands.inbox:inbox_command",
    "simulators": "nerava.commands.simulators:simulators_command",
    "migrate": "nerava.commands.schema:migrate_command",
    "doctor": "nerava.commands.doctor:doctor_command",
    "backup": "nerava.commands.backing_up:backup_command",
    "restore": "nerava.commands.backing_up:restore_command",
    "version": "nerava.commands.schema:version_command",
}
"""By the word on the command line, the module and the function or group in it."""


class LazyCommands(TyperGroup):
    """The commands above. Asking for help loads them all."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Return every word, in the order of the table."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Load the module of a command and return it; None for a word nobody knows."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        target = getattr(import_module(module), name)
        if isinstance(target, typer.Typer):
            # Unlike a command of its own it has no options that would complete this part alone.
            command: Command = get_group(target)
        else:
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(cmd_name)(target)
            command = get_command(alone)
        command.name = cmd_name
        return command
