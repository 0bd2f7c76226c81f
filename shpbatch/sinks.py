"""Names of the outputs that one source becomes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

__all__ = ["SUFFIXES", "Container", "sink_paths"]

Container = Literal["files", "shz"]
#: What the path of a sink ends in.
SUFFIXES: dict[Container, str] = {"files": ".shp", "shz": ".shz"}
#: Windows and shells stumble over these; % is what stands for them.
_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*%]|^\.|[. ]$')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)
LONGEST = 100


def sink_paths(sink: str, labels: Sequence[str]) -> list[Path]:
    """A path for each label: the sink itself for the label "", else one in a folder of its name."""
    if list(labels) == [""]:
        return [Path(sink)]
    taken: set[str] = set()
    paths = []
    for label in labels:
        stem = name = file_name(label)
        again = 1
        while stem.casefold() in taken:  # also by a label that is itself spelled "a~2"
            again += 1
            stem = f"{name}~{again}"
        taken.add(stem.casefold())
        paths.append(Path(sink).with_suffix("") / f"{stem}{Path(sink).suffix}")
    return paths


def file_name(label: str) -> str:
    """A label as a file name that every system takes."""
    name = _UNFIT.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), label)
    if not name or _RESERVED.fullmatch(name):
        name = f"%{name}"
    if len(name.encode()) > LONGEST:
        cut = name.encode()[:LONGEST].decode("utf-8", "ignore")
        name = f"{cut}~{hashlib.sha256(label.encode()).hexdigest()[:8]}"
    return name
