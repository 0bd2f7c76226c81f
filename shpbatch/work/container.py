"""One file instead of many: a staged set becomes a ``.shz``, which GDAL and QGIS open as it is.

The files of a shapefile cannot be replaced at once; one file can. Who reads
outputs while a run replaces them sees the old layer or the new one, and never
none.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from ..errors import WriteError
from ..shapefile.spilled import OVERFLOW
from ..writing.output import STEM, Output
from ..writing.rejects import REJECTS
from ..writing.repairs import REPAIRS

__all__ = ["contain", "without_limits"]

#: The same bytes make the same zip on any day.
_DAY = (1980, 1, 1, 0, 0, 0)


def contain(folder: Path, stem: str, proof: bool) -> None:
    """Put the staged files of a folder into ``layer.shz``, under the names of the layer.

    Parameters
    ----------
    folder : Path
        Holds ``layer.*``; what goes in goes away, rejects and repairs stay beside.
    stem : str
        Name of the layer.
    proof : bool
        Read it back.

    Raises
    ------
    WriteError
        ``write-incomplete``.
    """
    found = [p for p in folder.glob(f"{STEM}.*") if not p.name.endswith((REJECTS, REPAIRS))]
    found.sort(key=lambda p: (p.suffix != ".shp", p.name))
    target = folder / f"{STEM}.shz"
    with zipfile.ZipFile(target, "w") as archive:
        for path in found:
            member = zipfile.ZipInfo(stem + path.name[len(STEM) :], _DAY)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            member.file_size = path.stat().st_size  # tells whether 64-bit sizes are needed
            with open(path, "rb") as file, archive.open(member, "w") as packed:
                shutil.copyfileobj(file, packed, 1 << 20)
            path.unlink()
    if not proof:
        return
    with zipfile.ZipFile(target) as archive:
        if archive.testzip() is not None or len(archive.namelist()) != len(found):
            raise WriteError(f"{stem}.shz is not read back as it was written", "write-incomplete")


def without_limits(output: Output) -> tuple[dict[str, int], dict[str, int]]:
    """Losses and notes of a set, but for those that no other format has.

    Long names of fields, and values that are whole beside the set.
    """
    named = {f"field {name} is written as {written}" for name, written, _ in output.renamed}
    losses = {text: n for text, n in output.losses.items() if text not in named}
    notes = {
        text: n
        for text, n in output.notes.items()
        if not text.endswith(f"whole in .{OVERFLOW}") and ": widened from " not in text
    }
    return losses, notes
