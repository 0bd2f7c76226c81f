"""What a run says to Prometheus, as a file that the node exporter's textfile collector reads."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..durable import translated
from ..models import Report
from .report import exit_code, features, files

__all__ = ["check_metrics", "write_metrics"]


def check_metrics(path: str) -> None:
    """Refuse a file that cannot be written, before hours of work.

    Raises
    ------
    WriteError
        ``disk-full``, ``write-failed``.
    """
    with translated(path), _draft(path) as draft:
        draft.touch()


def write_metrics(path: str, report: Report) -> None:
    """Write a ``.prom`` file; readers see the old one or the new one, never half of it.

    Raises
    ------
    WriteError
        ``disk-full``, ``write-failed``.
    """
    with translated(path), _draft(path) as draft:
        draft.write_text(metrics(report), "utf-8")
        os.replace(draft, path)


@contextmanager
def _draft(path: str) -> Iterator[Path]:
    """A file beside it that goes away; the collector reads ``*.prom`` only."""
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield draft
    finally:
        with suppress(OSError):  # as a rule it was moved
            draft.unlink()


def metrics(report: Report) -> str:
    """The metrics of a run in the text format of Prometheus."""
    label = f'dst="{_escaped(report.dst or "")}"'
    lines: list[str] = []

    def put(name: str, what: str, values: dict[str, float]) -> None:
        lines.append(f"# HELP shpbatch_{name} {what}")
        lines.append(f"# TYPE shpbatch_{name} gauge")
        lines.extend(f"shpbatch_{name}{{{label}{more}}} {v:.15g}" for more, v in values.items())

    now = time.time()
    put("last_run_timestamp_seconds", "When the last run ended.", {"": now})
    put("last_run_seconds", "How long it took.", {"": report.seconds})
    put("last_run_exit_code", "Its exit code.", {"": exit_code(report)})
    counts = {f',status="{n}"': float(c) for n, c in files(report).items() if n != "total"}
    put("last_run_files", "Files by what became of them.", counts)
    total = features(report)
    kinds = (
        "read",
        "written",
        "filtered",
        "rejected",
        "created",
        "merged",
        "deleted",
        "unreadable",
    )
    put(
        "last_run_features",
        "Features by what became of them.",
        {f',kind="{kind}"': getattr(total, kind) for kind in kinds},
    )
    put("vanished_outputs", "Outputs whose sources are gone.", {"": len(report.vanished)})
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """A label value; a name that is not UTF-8 is told with marks."""
    text = text.encode("utf-8", "replace").decode()
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
