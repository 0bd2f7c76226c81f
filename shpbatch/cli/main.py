"""``shpbatch``: the group of commands, each imported when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from .. import __version__

__all__ = ["cli", "main"]

#: Commands in the order of the help, with the line that stands there: listing imports none.
COMMANDS = {
    "run": "Run a recipe over folders of shapefiles.",
    "repair": "Save what is whole of damaged shapefiles, tell what is lost.",
    "plan": "Show what run would do, file by file; write nothing.",
    "runs": "List past runs on an output folder.",
    "log": "Show one run: what became of each file.",
    "verify": "Check every output against what was published.",
    "audit": "Show what is in folders of shapefiles, and what is wrong with it.",
    "info": "Show type, count, CRS, encoding and fields of layers.",
    "steps": "List the steps, or explain one.",
    "recipe": "Help with recipe files: their JSON Schema.",
    "demo": "Run a recipe on the sample data, in a temporary folder.",
    "env": "Show the versions that a bug report needs.",
}


class Commands(click.Group):
    """A group that imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = import_module(f"shpbatch.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from ..engine.aspects import nearest

            raise click.UsageError(f"no command '{args[0]}'{nearest(args[0], list(COMMANDS))}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shpbatch")
def cli() -> None:
    """Run the same steps over whole folders of shapefiles, in parallel.

    \b
    shpbatch run data/ -o out/ ! make-valid ! reproject --dst-crs EPSG:32650
    """


def main() -> None:
    """Entry point: errors of ours are one sentence and an exit code."""
    from ..errors import ShpbatchError, Stopped
    from ..reporting.talk import print_line
    from .streams import hold_standard_streams

    hold_standard_streams()
    # numpy starts a thread a core for its linear algebra, of which there is none here: 0.1 s.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        cli(prog_name="shpbatch")
    except ShpbatchError as error:
        print_line("\n".join(f"Error: {line}" for line in str(error).splitlines()))
        sys.exit(exit_code_of(error))
    except Stopped as error:
        print_line(f"stopped early: {error}")
        sys.exit(exit_code_of(error))


def exit_code_of(error: BaseException) -> int:
    """2 for a wrong request, 75 for a held destination, that of the signal, else 1."""
    from ..errors import BusyError, PlanError, RecipeError, SourceError, Stopped

    if isinstance(error, RecipeError | PlanError | SourceError):
        return 2
    if isinstance(error, Stopped):
        from .signals import EXIT_CODES

        return EXIT_CODES[str(error)]
    return 75 if isinstance(error, BusyError) else 1
