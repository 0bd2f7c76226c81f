"""The files of one layer: found without minding case, in a folder or in a zip."""

from __future__ import annotations

import lzma
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from ..errors import ReadError, SourceError
from ..foreign import is_foreign, lent_folder
from ..models import Source
from .names import Names
from .zips import check_members, limited, open_zip

__all__ = ["INDEXES", "MAIN", "MEMOS", "TRAVELLING", "ZIP_ERRORS", "Bundle"]

#: What reading a damaged or hostile zip can raise, and what any file can.
ZIP_ERRORS = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,  # encrypted
    ValueError,
    struct.error,
)

#: The files that are the layer itself.
MAIN = ("shp", "shx", "dbf")
#: Sidecars that stay true whatever the steps do to features.
TRAVELLING = ("qml", "sld", "se", "qmd", "shp.xml", "lyr", "lyrx")
#: Texts of memo fields, whose cells say where they are: true where such a field is.
MEMOS = ("dbt", "fpt")
#: Indexes of one very set of features: stale beside any other.
INDEXES = (
    "qix",
    "sbn",
    "sbx",
    "fbn",
    "fbx",
    "ain",
    "aih",
    "atx",
    "ixs",
    "mxs",
    "idm",
    "ind",
    "idx",
    "qpj",
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Members of a layer by lower-case extension: ``{"shp": "A.SHP", "prj": "a.prj"}``.

    ``path`` is the folder or the zip that ``members`` are names in.
    """

    path: str
    members: dict[str, str]
    zipped: bool = False

    @classmethod
    def of(cls, source: Source) -> Bundle:
        """Find the members of a source.

        Raises
        ------
        SourceError
            ``source-missing`` where the ``.shp`` is not there (any more).
        """
        if source.member and is_foreign(source.path):
            return cls._lent(source)
        folder, name = os.path.split(source.path)
        folder = folder or "."
        try:
            if source.member:
                names = _zip_names(source.path, os.stat(source.path).st_mtime_ns)
                return cls(source.path, _members(source.member, names), zipped=True)
            names = _folder_names(folder, os.stat(folder).st_mtime_ns)
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(f"{source.path}: {error.strerror}", "source-missing") from None
        members = _members(name, names)
        if not os.path.isfile(source.path):
            raise SourceError(
                f"{source.path}: no such file; check the path, or list the folder again",
                "source-missing",
            )
        return cls(folder, members)

    @classmethod
    def _lent(cls, source: Source) -> Bundle:
        """The shapefile that stands for a layer of another format."""
        from ..formats.lend import lend

        layer = source.member or ""
        folder = lent_folder(source.path, layer, lambda into: lend(source.path, layer, into))
        names = Names(os.listdir(folder))
        return cls(folder, _members("layer.shp", names))

    def __contains__(self, extension: str) -> bool:
        return extension in self.members

    def name(self, extension: str) -> str:
        """Path of a member for people."""
        return f"{self.path}/{self.members[extension]}"

    def size(self, extension: str) -> int:
        """Bytes of a member, 0 where there is none."""
        if extension not in self.members:
            return 0
        try:
            if self.zipped:
                with open_zip(self.path) as archive:
                    return archive.getinfo(self.members[extension]).file_size
            return os.stat(Path(self.path, self.members[extension])).st_size
        except ZIP_ERRORS as error:
            raise ReadError(
                f"{self.name(extension)}: cannot be read: {error}", "source-unreadable"
            ) from error

    @contextmanager
    def open(self, extension: str) -> Iterator[IO[bytes]]:
        """Open a member for reading.

        Raises
        ------
        ReadError
            ``source-unreadable``: permissions, a damaged zip member.
        """
        name = self.members[extension]
        try:
            if self.zipped:
                with open_zip(self.path) as archive, archive.open(name) as file:
                    yield file
            else:
                with open(Path(self.path, name), "rb") as file:
                    yield file
        except ZIP_ERRORS as error:
            reason = getattr(error, "strerror", None) or error
            raise ReadError(
                f"{self.name(extension)}: cannot be read: {reason}", "source-unreadable"
            ) from error

    @contextmanager
    def file(self, extension: str) -> Iterator[IO[bytes]]:
        """Open a member as a real file, one in a zip as an unpacked copy that goes away."""
        if not self.zipped:
            with self.open(extension) as member:
                yield member
            return
        with tempfile.TemporaryFile(prefix="shpbatch-") as file:
            for data in self.chunks(extension):
                file.write(data)
            file.flush()  # its size is asked of the system
            yield file

    def read(self, extension: str, limit: int = -1) -> bytes:
        """The first ``limit`` bytes of a member (all by default), empty where there is none."""
        if extension not in self.members:
            return b""
        with self.open(extension) as file:
            return file.read(limit)

    def lend(self, extension: str, target: Path) -> None:
        """Make a member readable under a name of ours: a link where possible, else a copy."""
        if self.zipped:
            self.copy(extension, target)
            return
        member = Path(self.path, self.members[extension]).absolute()
        try:
            target.symlink_to(member)
        except (OSError, NotImplementedError):  # Windows without the privilege
            shutil.copyfile(member, target)

    def copy(self, extension: str, target: Path) -> None:
        """Copy a member byte for byte."""
        with open(target, "wb") as out:
            for data in self.chunks(extension):
                out.write(data)

    def chunks(self, extension: str) -> Iterator[bytes]:
        """The bytes of a member; a generator does not see what goes wrong where they go.

        Raises
        ------
        ReadError
            ``source-unreadable`` as of `open`; ``zip-bomb``.
        """
        with self.open(extension) as file:
            if isinstance(file, zipfile.ZipExtFile):
                with open_zip(self.path) as archive:
                    member = archive.getinfo(self.members[extension])
                yield from limited(_parts(file), member, self.path)
                return
            yield from _parts(file)


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    while data := file.read(1 << 17):
        yield data


def _members(shp: str, names: Names) -> dict[str, str]:
    """Siblings that share the stem of ``shp``; its own spelling wins over another's."""
    stem = shp[: -len(".shp")]
    found: dict[str, str] = {}
    dots = stem.count(".") + 1
    for name in names.of(stem):
        extension = ".".join(name.split(".")[dots:]).lower()
        if extension not in found or name.startswith(stem):
            found[extension] = name
    found["shp"] = shp
    return found


@lru_cache(maxsize=4)
def _folder_names(path: str, mtime_ns: int) -> Names:
    return Names(os.listdir(path))


@lru_cache(maxsize=4)
def _zip_names(path: str, mtime_ns: int) -> Names:
    try:
        with open_zip(path) as archive:
            return Names(m.filename for m in check_members(archive, path))
    except ZIP_ERRORS as error:
        raise SourceError(f"{path}: not a readable zip: {error}", "bad-zip") from None
