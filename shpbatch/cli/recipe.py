"""``shpbatch recipe``: help with recipe files."""

from __future__ import annotations

import json

import click

__all__ = ["command"]


@click.group(name="recipe")
def command() -> None:
    """Help with recipe files."""


@command.command()
def schema() -> None:
    """Print the JSON Schema of recipe files.

    \b
    shpbatch recipe schema > recipe.schema.json
    # first line of a recipe, for editors with the YAML language server:
    # yaml-language-server: $schema=recipe.schema.json
    """
    from ..recipes.file import recipe_schema

    click.echo(json.dumps(recipe_schema(), indent=2))


@command.command()
@click.argument("path", type=click.Path())
def check(path: str) -> None:
    """Check a recipe file; every mistake is told with line and column."""
    from ..recipes.recipe import read_recipe
    from ..reporting.talk import one_line

    steps = read_recipe(path).steps
    names = " ! ".join(s.name for s in steps)
    click.echo(one_line(f"{path}: {len(steps)} steps: {names}"))
