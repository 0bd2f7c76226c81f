"""Look at one layer: its headers and the names and sizes of its files, nothing else."""

from __future__ import annotations

import glob
import os
import shlex
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..doctors.encoding import examine_encoding
from ..errors import ShpbatchError
from ..findings import Finding
from ..foreign import is_foreign, lending
from ..header import read_header
from ..models import Header, Problem, Source
from ..policy import Policy
from ..shapefile.bundle import ZIP_ERRORS, Bundle
from ..shapefile.index import load_index
from ..shapefile.zips import open_zip
from .grid import SEVERITIES, LayerAudit

__all__ = ["REPAIR", "look", "refusal", "sorted_findings"]

#: The remedy of what is broken.
REPAIR = "shpbatch repair {path} -o OUT"
#: What the header tells as odd: how bad it is, and the cure.
_KNOWN = {
    "shx-missing": ("warning", REPAIR),
    "length-lies": ("warning", REPAIR),
    "dbf-missing": ("note", "! calculate --field id --expression FID"),
    "encoding-doubtful": ("warning", "--encoding NAME"),
    "prj-missing": ("warning", "--src-crs-default EPSG:…"),
    "prj-unreadable": ("warning", "--src-crs EPSG:…"),
}
#: Of these the doctors say more, where they say anything.
_OF_CRS, _OF_ENCODING = ("prj-missing", "prj-unreadable"), ("encoding-doubtful",)
#: Breaks that leave something to be read.
_PARTLY = (
    *("shp-truncated", "chain-broken", "bad-record", "bad-index"),
    *("dbf-truncated", "count-mismatch"),
)
#: Types of fields that are read; others are carried byte for byte.
DECODED = "CNFLD"
#: Bytes of a component from which on a run may pass the 2 GB of the format.
NEARLY_FULL = 1_900_000_000


@lending()
def look(source: Source) -> LayerAudit:
    """Look at the headers of a source; never raise.

    The CRS is not looked at: that takes the sisters, see `sisters.settle`.
    """
    if source.problem:
        return LayerAudit(source, findings=(refusal(source, source.problem),))
    members: dict[str, int] = {}
    try:
        bundle = Bundle.of(source)
        members = _sizes(bundle, source)
        header, broken = _header(source)
        head = bundle.read("dbf", 12)
    except ShpbatchError as error:
        refused = refusal(source, Problem(error.code, str(error)))
        return LayerAudit(source, members=members, findings=(refused,))
    encoding = examine_encoding(source, header)
    # Rows declared, byte of the first, bytes of each.
    table: tuple[int, int, int] | None = None
    if len(head) == 12 and "dbf" in members:
        table = struct.unpack_from("<IHH", head, 4)
    layer = LayerAudit(source, header, members, table and table[0], encoding=encoding)
    found = [*broken, *_told(header, encoding.findings), *encoding.findings]
    if table and not broken:
        found += _rows_differ(header.count, table, members["dbf"])
    found += [*_of_extent(header), *_of_fields(header), *_of_size(members)]
    return replace(layer, findings=sorted_findings(found))


def refusal(source: Source, problem: Problem) -> Finding:
    """Why a source cannot be read, as a finding."""
    remedy = REPAIR
    if problem.code not in (*_PARTLY, "bad-dbf"):
        remedy = f"--exclude {shlex.quote(glob.escape(source.relative))}"
    reason = problem.reason.removeprefix(f"{source.name}: ").removeprefix(f"{source.path}: ")
    return Finding(problem.code, "error", reason, remedy)


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings, the worst first; one of a code that was told already is left out."""
    once = {(f.code, f.reason): f for f in findings}
    return tuple(sorted(once.values(), key=lambda f: SEVERITIES.index(f.severity)))


def _header(source: Source) -> tuple[Header, list[Finding]]:
    """The header, and why it can be read in part only.

    Raises
    ------
    ReadError, SourceError
        Where nothing of it can.
    """
    try:
        header = read_header(source)
        if not any(p.code == "shx-missing" for p in header.problems):
            load_index(Bundle.of(source))  # which refuses records outside of the file
        return header, []
    except ShpbatchError as error:
        if error.code not in _PARTLY:
            raise
        header = read_header(source, policy=Policy(on_bad_record="skip"))
        return header, [refusal(source, Problem(error.code, str(error)))]


def _sizes(bundle: Bundle, source: Source) -> dict[str, int]:
    """Bytes of each member by extension, of a zip as unpacked; 0 for what cannot be asked.

    Of a layer of another format its share of the file: what is lent for it is not there.
    """
    if is_foreign(source.path):
        return {os.path.splitext(source.path)[1][1:].lower(): source.size}
    try:
        if bundle.zipped:
            with open_zip(bundle.path) as archive:
                known = {m.filename: m.file_size for m in archive.infolist()}
            return {e: known.get(n, 0) for e, n in bundle.members.items()}
    except ZIP_ERRORS:
        return dict.fromkeys(bundle.members, 0)
    found = {}
    for extension, name in bundle.members.items():
        try:
            found[extension] = Path(bundle.path, name).stat().st_size
        except OSError:
            found[extension] = 0
    return found


def _told(header: Header, doctors: tuple[Finding, ...]) -> list[Finding]:
    """Problems of the header as findings, but for those of which a doctor says more."""
    left_out = (*_OF_CRS, *(_OF_ENCODING if doctors else ()))
    found = []
    for problem in header.problems:
        severity, remedy = _KNOWN.get(problem.code, ("warning", ""))
        if problem.code not in left_out:
            found.append(Finding(problem.code, severity, problem.reason, remedy))  # type: ignore[arg-type]
    return found


def _rows_differ(shapes: int, table: tuple[int, int, int], size: int) -> list[Finding]:
    """Rows of the ``.dbf`` that are not as many as the shapes, as `Opened.count` finds them."""
    declared, start, length = table
    room = max(0, (size - start) // max(1, length))
    rows = room if declared == 0 and room == shapes else min(declared, room)
    if rows == shapes >= declared:
        return []
    if shapes in (declared, rows):
        reason = f"the .dbf is cut: it declares {declared:,} rows and holds {rows:,}"
        return [Finding("dbf-truncated", "error", reason, REPAIR)]
    reason = f"{shapes:,} shapes but {rows:,} rows in the .dbf"
    return [Finding("count-mismatch", "error", reason, REPAIR)]


def _of_extent(header: Header) -> list[Finding]:
    if not header.count:
        return [Finding("no-features", "note", "the layer has no features")]
    if header.geometry_type == "Null":
        return []
    if header.bounds is None:
        reason = "the header holds no extent, unless all features are at (0, 0) or null"
        return [Finding("bounds-missing", "note", f"{reason}: --deep tells")]
    left, bottom, right, top = header.bounds
    if left > right or bottom > top:
        reason = "the extent in the header is inverted"
        return [Finding("bounds-inverted", "warning", reason, REPAIR)]
    return []


def _of_fields(header: Header) -> list[Finding]:
    found = []
    names = Counter(f.name.casefold() for f in header.fields)
    if repeated := [name for name, count in names.items() if count > 1]:
        reason = f"field names that are there twice: {', '.join(repeated)}"
        remedy = "! select FIELD,…"
        found.append(Finding("fields-repeated", "warning", reason, remedy, len(repeated)))
    if others := [f"{f.name} {f.type}" for f in header.fields if f.type not in DECODED]:
        reason = f"fields of types that other formats do not take: {', '.join(others)}"
        found.append(Finding("fields-undecoded", "note", reason, count=len(others)))
    return found


def _of_size(members: Mapping[str, int]) -> list[Finding]:
    full = [e for e in ("shp", "dbf") if members.get(e, 0) > NEARLY_FULL]
    if not full:
        return []
    sizes = " and ".join(f".{e} has {members[e] / 1e9:.2f} GB" for e in full)
    reason = f"{sizes}: nearly the 2 GB that the format allows"
    return [Finding("nearly-full", "warning", reason, "--on-too-large split")]
