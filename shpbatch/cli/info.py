"""``shpbatch info``: one line a layer, from its headers."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ..models import Header, Source
from .options import source_options

__all__ = ["command"]


@click.command(name="info")
@source_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(src: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Show type, count, CRS, encoding (and what told it), fields and problems.

    Headers only: some 100 µs a layer, and nothing is changed.
    """
    from ..errors import ShpbatchError
    from ..foreign import lending
    from ..header import read_header
    from ..planning.discover import discover
    from ..reporting.talk import one_line

    failed = False
    for source in discover(src, **options).sources:
        try:
            if source.problem:
                raise ShpbatchError(source.problem.reason, source.problem.code)
            with lending():
                header = read_header(source)
        except ShpbatchError as error:
            failed = True
            problem = {"path": source.name, "code": error.code, "reason": str(error)}
            line = one_line(f"{source.name}: {error} [{error.code}]")
            click.echo(json.dumps(problem) if as_json else line)
            continue
        if as_json:
            click.echo(json.dumps(_record(source, header)))
            continue
        for line in _lines(source, header):
            click.echo(one_line(line))
    sys.exit(1 if failed else 0)


def _record(source: Source, header: Header) -> dict[str, Any]:
    return {"path": source.name, "size": source.size, **header.plain(), "crs_name": _crs(header)}


def _lines(source: Source, header: Header) -> list[str]:
    """What is told of a layer, and a line for each of its problems."""
    kind = header.geometry_type + ("Z" if header.has_z else "M" if header.has_m else "")
    fields = ", ".join(f"{f.name} {_type(f)}" for f in header.fields[:6])
    more = f", … {len(header.fields) - 6} more" if len(header.fields) > 6 else ""
    line = (
        f"{source.name}: {header.count:,} {kind}; {_crs(header) or 'no CRS'}; "
        f"{header.encoding} ({header.encoding_from}); "
        f"{len(header.fields)} fields" + (f": {fields}{more}" if fields else "")
    )
    return [line, *(f"    {p.code}: {p.reason}" for p in header.problems)]


def _type(field: Any) -> str:
    if field.type in "NF" and field.decimals:
        return f"{field.type}{field.width}.{field.decimals}"
    return field.type if field.type in "DL" else f"{field.type}{field.width}"


def _crs(header: Header) -> str | None:
    """EPSG code where PROJ is sure of it, else the name in the .prj."""
    if header.crs is None:
        return None
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_user_input(header.crs)
    except CRSError:
        return "unreadable .prj"
    code = crs.to_epsg(min_confidence=70)
    return f"EPSG:{code}" if code else crs.name
