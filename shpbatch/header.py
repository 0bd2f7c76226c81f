"""Read headers only: what a layer declares, in some 100 µs, without GDAL."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from dataclasses import replace

from .crs.identity import readable
from .errors import ReadError
from .models import Bounds4, Field, Header, Problem, Source
from .policy import Policy
from .shapefile.bundle import Bundle
from .shapefile.dbf import parse_table
from .shapefile.encoding import Verdict
from .shapefile.encoding_policy import decided
from .shapefile.index import HEADER_BYTES, MAGIC, load_index
from .shapefile.others import OTHERS
from .shapefile.text_sample import SAMPLE_BYTES, text_sample

__all__ = ["SHAPE_TYPES", "bounds_of", "check_head", "read_header", "shape_code"]
__all__ += ["with_encoding"]

SHAPE_TYPES = {
    0: "Null",
    1: "Point",
    3: "PolyLine",
    5: "Polygon",
    8: "MultiPoint",
    31: "MultiPatch",
}
#: How sure it is that text is ASCII, where only its first 64 kB were looked at.
PARTLY_SEEN = 0.75
#: What a person reads as a CRS, and what a .prj does not hold.
_CODE = re.compile(r"(?:EPSG|ESRI):\d+|\+(?:proj|init)=[ -~]{1,200}", re.IGNORECASE)
#: Beside a shapefile that is lent for a layer of another format.
WHOLE_NAMES = "whole-names.json"
USUAL = Policy()


def read_header(source: Source, whole: bool = False, policy: Policy = USUAL) -> Header:
    """Read the headers of a layer.

    Parameters
    ----------
    source : Source
    whole : bool
        Look at all of the ``.dbf`` to tell its encoding, not at its first 64 kB.
    policy : Policy
        Whether records that cannot be read are to be left out.

    Raises
    ------
    EncodingError
        ``encoding-unknown``, ``encoding-mismatch``, as the policy says.
    ReadError
        ``empty-file``, ``bad-magic``, ``mixed-types``, ``unknown-type``, ``chain-broken``,
        ``bad-dbf``, ``source-unreadable``: it cannot be a layer.
    SourceError
        ``source-missing``, ``bad-zip``.
    """
    bundle = Bundle.of(source)
    _check_types(bundle, source.name, policy)
    head = bundle.read("shp", HEADER_BYTES)
    geometry_type, has_z, has_m = check_head(head, source.name)
    problems: list[Problem] = []
    index = load_index(bundle, check=False, skip=policy.on_bad_record == "skip")
    if index.rebuilt:
        problems.append(Problem("shx-missing", "no usable .shx; the index is rebuilt in memory"))
    declared = 2 * struct.unpack(">i", head[24:28])[0]
    if declared != bundle.size("shp"):
        size = bundle.size("shp")
        problems.append(
            Problem("length-lies", f"header says {declared} bytes, the file has {size}")
        )
    fields, encoding, dbf_problems = _attributes(bundle, source.name, whole, policy)
    crs, crs_from = _crs(bundle, problems, policy)
    return Header(
        geometry_type=geometry_type,
        has_z=has_z,
        has_m=has_m,
        count=len(index),
        fields=fields,
        crs=crs,
        crs_from=crs_from,
        encoding=encoding.codec,
        encoding_from=encoding.told,
        encoding_confidence=encoding.confidence,
        bounds=bounds_of(head),
        problems=(*problems, *dbf_problems),
        source=source,
    )


def _check_types(bundle: Bundle, name: str, policy: Policy) -> None:
    """Refuse a layer of several types, unless it is said what becomes of the others."""
    if OTHERS not in bundle or policy.on_mixed != "reject":
        return
    told = bundle.read(OTHERS, 256).decode("ascii").partition("\n")[0]
    raise ReadError(
        f"{name}: {told}, a shapefile one type; --on-mixed split writes a layer of each, extract "
        "keeps what fits the most of them",
        "mixed-types",
    )


def with_encoding(
    source: Source, header: Header, fields: Iterable[str], policy: Policy = USUAL
) -> Header:
    """The header, its encoding told by all of the ``.dbf``, if text of these fields matters.

    Parameters
    ----------
    source : Source
    header : Header
        As `read_header` gave it, from the first 64 kB.
    fields : iterable of str
        Names of the fields that are read, as a recipe spells them.
    policy : Policy
        What is to be thought of the encoding.
    """
    wanted = {name.casefold() for name in fields}
    text = any(f.arrow == "string" and f.name.casefold() in wanted for f in header.fields)
    guessed = header.encoding_from in ("bytes", "guess", "default")  # and will be told in a .cpg
    if not (text or guessed) or Bundle.of(source).size("dbf") <= SAMPLE_BYTES:
        return header
    found, encoding, problems = _attributes(Bundle.of(source), source.name, True, policy)
    others = [p for p in header.problems if p.code not in ("encoding-doubtful", "dbf-missing")]
    return replace(
        header,
        fields=found,
        encoding=encoding.codec,
        encoding_from=encoding.told,
        encoding_confidence=encoding.confidence,
        problems=(*others, *problems),
    )


def shape_code(header: Header) -> int:
    """Shape type code of the specification for a header's geometry type."""
    code = next(c for c, name in SHAPE_TYPES.items() if name == header.geometry_type)
    if code in (0, 31):
        return code
    return code + (10 if header.has_z else 20 if header.has_m else 0)


def check_head(head: bytes, name: str) -> tuple[str, bool, bool]:
    """Geometry type of a ``.shp``, whether it has Z and M; refuse what is no such file."""
    _check_magic(head, name)
    return _shape_type(head, name)


def _check_magic(head: bytes, name: str) -> None:
    if not head:
        raise ReadError(f"{name}: the file is empty (0 bytes); get it again", "empty-file")
    if len(head) < HEADER_BYTES or struct.unpack(">i", head[:4])[0] != MAGIC:
        looks = "a text file" if head.isascii() and b"\0" not in head else "something else"
        if head[:2] == b"PK":
            looks = "a zip"
        cure = "; rename it to .zip" if looks == "a zip" else ""
        raise ReadError(f"{name}: not a shapefile but {looks} named .shp{cure}", "bad-magic")


def _shape_type(head: bytes, name: str) -> tuple[str, bool, bool]:
    code = struct.unpack("<i", head[32:36])[0]
    base = code if code in SHAPE_TYPES else code % 10
    if base not in SHAPE_TYPES or code not in {*SHAPE_TYPES, 11, 13, 15, 18, 21, 23, 25, 28}:
        raise ReadError(f"{name}: unknown shape type {code} at byte 32", "unknown-type")
    return SHAPE_TYPES[base], 10 < code < 20 or code == 31, 20 < code < 30


def bounds_of(head: bytes) -> Bounds4 | None:
    """The box that the header of a ``.shp`` tells, None where it tells none."""
    box: Bounds4 = struct.unpack("<4d", head[36:68])
    return box if all(abs(v) < 1e300 for v in box) and any(box) else None


def _attributes(
    bundle: Bundle, name: str, whole: bool, policy: Policy
) -> tuple[tuple[Field, ...], Verdict, list[Problem]]:
    if "dbf" not in bundle:
        missing = Problem("dbf-missing", "no .dbf: a layer without fields")
        return (), Verdict("utf-8", "default", None, 1.0), [missing]
    data = bundle.read("dbf", SAMPLE_BYTES)
    table = parse_table(data, name)
    cpg = bundle.read("cpg", 256).decode("latin-1") if "cpg" in bundle else None
    sample = text_sample(bundle, table, data, whole)
    found = decided(cpg, table.ldid, sample, policy)
    if found.told == "default" and not whole and len(data) == SAMPLE_BYTES:
        found = found._replace(confidence=PARTLY_SEEN)
    named = table.names(found.codec)
    if WHOLE_NAMES in bundle:  # of another format: its own names of the fields
        named = json.loads(bundle.read(WHOLE_NAMES))
    fields = tuple(
        Field(n, d.kind, d.width, d.decimals, origin=n)
        for n, d in zip(named, table.descriptors, strict=True)
    )
    problems = [Problem("encoding-doubtful", found.doubt)] if found.doubt else []
    return fields, found, problems


def _crs(bundle: Bundle, problems: list[Problem], policy: Policy) -> tuple[str | None, str]:
    """The CRS, and what tells it; a problem where nothing does."""
    if policy.src_crs:
        return policy.src_crs, "option"
    raw = bundle.read("prj", 1 << 16)
    text = raw.decode("utf-8", "replace").strip("\ufeff\0 \r\n\t")
    default = policy.src_crs_default
    looks_right = "[" in text and not text.startswith("<")
    if looks_right and (default is None or readable(text)):
        return text, "prj"
    if default:
        return default, "option"
    if text:
        said = f", but '{text}', which is no WKT" if _CODE.fullmatch(text) else ""
        problems.append(Problem("prj-unreadable", f"the .prj holds no CRS{said}"))
    else:
        problems.append(Problem("prj-missing", "no .prj: the CRS is not known"))
    return None, "prj"
