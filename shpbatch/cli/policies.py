"""Options that say what to do with what is bad, doubtful or does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["policy_options"]

F = TypeVar("F", bound=Callable[..., Any])

#: Choices, the first of them the default, and what they are about.
CHOICES = {
    "on-bad-record": (
        ("fail", "skip"),
        "Records with a broken structure: fail the layer, or leave them out, counted.",
    ),
    "on-bad-value": (
        ("null", "reject"),
        "Cells that a step reads and that hold no value of their type.",
    ),
    "on-bad-feature": (
        ("reject", "fail"),
        "Features that a step cannot do: write them aside, or fail the layer.",
    ),
    "on-loss": (
        ("warn", "fail"),
        "Values that cannot be kept as they are: tell, or fail the layer.",
    ),
    "on-encoding": (
        ("guess", "fail", "latin1"),
        "Text whose encoding nothing tells for sure.",
    ),
    "on-crs": (
        ("fail", "assign", "skip"),
        "Layers without a usable CRS, where a step needs one; assign: the likely one.",
    ),
    "on-mixed": (
        ("reject", "extract", "split"),
        "Geometries of another dimension; extract: parts that fit, split: into _point, _line…",
    ),
    "on-overflow": (
        ("fail", "cut", "sidecar"),
        "Values wider than a field can be; sidecar: cut, and whole in .overflow.csv.",
    ),
    "on-too-large": (
        ("fail", "split", "format"),
        "Layers of more than 2 GB; split: several shapefiles, format: a GeoPackage.",
    ),
}


def policy_options(function: F) -> F:
    """What a run does where a source is not as it should be."""
    options = [
        click.option(
            f"--{name}",
            type=click.Choice(choices),
            default=choices[0],
            show_default=True,
            help=text,
        )
        for name, (choices, text) in CHOICES.items()
    ]
    options += [
        click.option("--encoding", metavar="NAME", help="Of the sources' text, whatever they say."),
        click.option(
            "--encoding-fallback", metavar="NAME", help="Of the text where nothing tells it."
        ),
        click.option("--src-crs", metavar="CRS", help="Of the sources, whatever they say."),
        click.option("--src-crs-default", metavar="CRS", help="Of sources that have none."),
        click.option("--spatial-index", is_flag=True, help="Write a .qix beside each output."),
    ]
    for option in reversed(options):
        function = option(function)
    return function
