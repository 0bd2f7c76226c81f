"""Options that several commands share, and the words after the first ``!``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..models import Recipe

__all__ = ["ChainCommand", "layout_options", "recipe_of", "recipe_options", "source_options"]
__all__ += ["workers_option"]

F = TypeVar("F", bound=Callable[..., Any])


class ChainCommand(click.Command):
    """A command whose line may end in ``! STEP --option value ! STEP …``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("!") if "!" in args else len(args)
        ctx.meta["chain"] = args[at:]
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[! STEP [--option value] …]…"]


def source_options(function: F) -> F:
    """SRC… and which of its files."""
    for option in reversed(
        [
            click.argument("src", nargs=-1, required=True),
            click.option("--include", multiple=True, metavar="GLOB", help="Only these files."),
            click.option("--exclude", multiple=True, metavar="GLOB", help="Not these files."),
            click.option(
                "--limit", type=click.IntRange(1), metavar="N", help="Only the first N files."
            ),
        ]
    ):
        function = option(function)
    return function


def _workers(ctx: click.Context, param: click.Parameter, value: str) -> int:
    if value == "auto":
        return 0
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise click.BadParameter("a number of 1 or more, or 'auto'")


def workers_option(function: F) -> F:
    """``-j``: how many processes."""
    return click.option(
        "-j",
        "--workers",
        default="16",
        show_default=True,
        callback=_workers,
        metavar="N|auto",
        help="Processes, never more than files; auto = the CPUs there are.",
    )(function)


def recipe_options(function: F) -> F:
    """The steps, where they do not follow ``!``."""
    for option in reversed(
        [
            click.option(
                "-r", "--recipe", type=click.Path(), help="Recipe file: YAML, TOML or JSON."
            ),
            click.option("--pipeline", metavar="TEXT", help='The chain as one text: "! STEP …".'),
            click.option(
                "--step",
                multiple=True,
                metavar="MODULE:FUNCTION",
                help="A function of yours as a further step.",
            ),
        ]
    ):
        function = option(function)
    return function


def layout_options(function: F) -> F:
    """Where outputs go."""
    for option in reversed(
        [
            click.option(
                "-o", "--output", required=True, type=click.Path(), help="Folder of the outputs."
            ),
            click.option("--flat", is_flag=True, help="Do not mirror the tree of folders."),
            click.option("--merge", metavar="NAME", help="Join all sources into one output."),
            click.option(
                "--package",
                metavar="NAME",
                help="All sources as layers of one GeoPackage, with their styles.",
            ),
            click.option(
                "--field-strategy",
                type=click.Choice(["union", "intersection"]),
                default="union",
                show_default=True,
                help="With --merge: the fields of any source, or those of all.",
            ),
            click.option(
                "--source-layer-field-name",
                "source_field",
                metavar="NAME",
                help="With --merge: a field for the name of each feature's source.",
            ),
            click.option(
                "--each-step", is_flag=True, help="One output a step, in the step's own folder."
            ),
            click.option(
                "--container",
                type=click.Choice(["files", "shz"]),
                default="files",
                show_default=True,
                help="shz: a layer is one file, replaced in one instant.",
            ),
            click.option(
                "-f",
                "--format",
                default="ESRI Shapefile",
                show_default=True,
                metavar="NAME",
                help="Of the outputs: GPKG, FlatGeobuf, GeoJSON, Parquet.",
            ),
            click.option(
                "--if-exists",
                type=click.Choice(["update", "fail", "skip", "overwrite"]),
                default="update",
                show_default=True,
                help="Where an output is there: update makes what is stale, of ours.",
            ),
            click.option(
                "--overwrite",
                is_flag=True,
                help="Replace also outputs that are not ours or were edited since.",
            ),
            click.option("--force", is_flag=True, help="Make up-to-date outputs anew, too."),
            click.option(
                "--rerun-triggers",
                default="source,recipe,layer,code,libraries",
                show_default=True,
                metavar="LIST",
                callback=lambda ctx, param, value: value.split(","),
                help="What makes an output stale.",
            ),
            click.option(
                "--verify",
                type=click.Choice(["stat", "hash"]),
                default="stat",
                show_default=True,
                help="Whether files are the same: by size and time, or by content.",
            ),
            click.option(
                "--retry-failed",
                is_flag=True,
                help="Do only what failed last time, also what is in quarantine.",
            ),
        ]
    ):
        function = option(function)
    return function


def recipe_of(
    ctx: click.Context, recipe: str | None, pipeline: str | None, steps: tuple[str, ...]
) -> Recipe:
    """The recipe that a command line asks for: one of file, text and chain, then ``--step``.

    Raises
    ------
    click.UsageError
        Where more than one is given.
    RecipeError
        For what is wrong with the recipe itself.
    """
    from ..recipes.recipe import as_recipe, parse_chain, parse_words, read_recipe

    chain: list[str] = ctx.meta.get("chain", [])
    if sum(map(bool, (recipe, pipeline, chain))) > 1:
        raise click.UsageError("give the steps once: with '!', --pipeline or --recipe", ctx)
    checked = Recipe()
    if recipe:
        checked = read_recipe(recipe)
    elif pipeline:
        checked = parse_chain(pipeline)
    elif chain:
        checked = parse_words(chain)
    return Recipe((*checked.steps, *as_recipe(list(steps)).steps))
