"""How a run is done: the options of the Python door, which the command line gives too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from ..durable import Durability
from ..engine.aspects import CRS
from ..errors import PlanError, RecipeError
from ..policy import Policy
from ..pool.options import Limits, PoolOptions
from ..pool.ramp import cpus
from ..publishing.staleness import TRIGGERS, IfExists, Rules
from ..reporting.progress import Mode
from ..shapefile.codec_names import codec_of_cpg
from ..sinks import Container

__all__ = ["RunOptions", "failure_limit", "policy_of", "pool_options", "rules_of"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is done.

    Attributes
    ----------
    workers : int
        Processes, never more than tasks; 0 = the CPUs this process may use.
    timeout : float or None
        Seconds a file may take.
    retries : int
        Further tries of a file whose worker died.
    max_failures : str or int or None
        Stop after so many failed files, or ``"10%"`` of them.
    if_exists : {"update", "fail", "skip", "overwrite"}
        What to do where an output is there already: ``update`` makes what is
        stale and refuses what is not ours or was edited since.
    force : bool
        Make outputs anew though they are up to date.
    rerun_triggers : sequence of str
        What makes an output stale, of ``source``, ``recipe``, ``layer``
        (second layers), ``code`` and ``libraries``.
    verify : {"stat", "hash"}
        Whether files are the same by size and time, or by content.
    retry_failed : bool
        Do only what failed last time, also what is in quarantine.
    prune : bool
        Remove outputs whose sources are gone.
    durability : {"full", "fast"}
        ``full`` survives a power cut, ``fast`` a kill.
    wait : float
        Seconds to wait for another run on the same destination.
    max_seconds : float or None
        Feed no more after so long; the next run goes on.
    mem_limit : int or None
        Bytes of memory that a worker may take; a layer that needs more fails.
    nice : int
        How much the workers yield to other processes.
    log_format : {"text", "json"}
        Of the lines on stderr.
    log_file : str or None
        These lines also go there; set aside at 10 MB.
    metrics_file : str or None
        Metrics for Prometheus, as a ``.prom`` file.
    exit_nothing : int
        Exit code where all was up to date.
    flat : bool
        Do not mirror the tree of folders.
    each_step : bool
        One output for each step, in the step's own sub-folder.
    container : {"files", "shz"}
        A layer as its files, or as one ``.shz`` (a zip of them), which is
        replaced in one instant.
    format : str
        GDAL's name of the outputs' format: ``ESRI Shapefile``, ``GPKG``,
        ``FlatGeobuf``, ``GeoJSON`` or ``Parquet``.
    include, exclude : sequence of str
        Globs on the path below the named folder.
    limit : int or None
        Only the first so many files.
    merge : str or None
        Join all sources into one output of this name.
    package : str or None
        All sources as layers of one GeoPackage of this name, with their styles.
    field_strategy : {"union", "intersection"}
        Of a merge: the fields of any source, or those of all.
    source_field : str or None
        Of a merge: a text field for the name of each feature's source.
    gate : {"error", "warning"} or None
        Audit the sources first, and refuse the run where something as bad is found.
    expect : str or None
        A contract that the sources have to keep; it is a gate, too.
    on_bad_record : {"fail", "skip"}
        What a record whose structure is broken does: it fails its layer, or
        is left out and counted as unreadable.
    on_bad_value : {"null", "reject"}
        What a cell that a step reads and that holds no value of its type
        becomes: NULL, counted, or its row is rejected.
    on_bad_feature : {"reject", "fail"}
        Features that a step cannot do: they are left out and written beside
        the output (``.rejects.geojsonl``), or their layer fails.
    on_loss : {"warn", "fail"}
        Values that cannot be kept as they are (rounded numbers, dropped M):
        they are counted and told, or their layer fails.
    encoding, encoding_fallback, on_encoding, src_crs, src_crs_default, on_crs, on_mixed,
    on_overflow, on_too_large, spatial_index, repair
        See `Policy`.
    proof : bool
        Read back what was written before it is published.
    log : str or None
        The run log; by default in the destination's ``.shpbatch/log``.
    progress : {"none", "auto", "bar", "lines"}
    method : str
        How workers start: ``auto``, ``forkserver``, ``spawn``, ``inline``.
    """

    workers: int = 16
    timeout: float | None = None
    retries: int = 1
    max_failures: str | int | None = None
    if_exists: IfExists = "update"
    force: bool = False
    rerun_triggers: Sequence[str] = TRIGGERS
    verify: Literal["stat", "hash"] = "stat"
    retry_failed: bool = False
    prune: bool = False
    durability: Durability = "full"
    wait: float = 0.0
    max_seconds: float | None = None
    mem_limit: int | None = None
    nice: int = 0
    log_format: Literal["text", "json"] = "text"
    log_file: str | None = None
    metrics_file: str | None = None
    exit_nothing: int = 0
    flat: bool = False
    each_step: bool = False
    container: Container = "files"
    format: str = "ESRI Shapefile"
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    limit: int | None = None
    merge: str | None = None
    package: str | None = None
    field_strategy: Literal["union", "intersection"] = "union"
    source_field: str | None = None
    gate: Literal["error", "warning"] | None = None
    expect: str | None = None
    on_bad_record: Literal["fail", "skip"] = "fail"
    on_bad_value: Literal["null", "reject"] = "null"
    on_bad_feature: Literal["reject", "fail"] = "reject"
    on_loss: Literal["warn", "fail"] = "warn"
    encoding: str | None = None
    encoding_fallback: str | None = None
    on_encoding: Literal["guess", "fail", "latin1"] = "guess"
    src_crs: str | None = None
    src_crs_default: str | None = None
    on_crs: Literal["fail", "assign", "skip"] = "fail"
    on_mixed: Literal["reject", "extract", "split"] = "reject"
    on_overflow: Literal["fail", "cut", "sidecar"] = "fail"
    on_too_large: Literal["fail", "split", "format"] = "fail"
    spatial_index: bool = False
    repair: Literal["no", "structure", "valid"] = "no"
    proof: bool = True
    log: str | None = None
    progress: Mode = "none"
    method: str = "auto"


def policy_of(settings: RunOptions) -> Policy:
    """What to do with what is bad, doubtful or does not fit.

    Raises
    ------
    PlanError
        ``bad-value`` for an encoding that is none, ``bad-crs``.
    """
    for option in ("encoding", "encoding_fallback"):
        name = getattr(settings, option)
        if name is not None and codec_of_cpg(name) is None:
            shown = option.replace("_", "-")
            raise PlanError(f"--{shown} {name}: there is no such encoding; try UTF-8", "bad-value")
    for option in ("src_crs", "src_crs_default"):
        if name := getattr(settings, option):
            try:
                CRS.check(name)
            except RecipeError as error:
                raise PlanError(f"--{option.replace('_', '-')}: {error}", "bad-crs") from None
    return Policy(**{f.name: getattr(settings, f.name) for f in fields(Policy)})


def rules_of(settings: RunOptions) -> Rules:
    """How outputs that are there are judged.

    Raises
    ------
    PlanError
        ``bad-value`` for a trigger that is none.
    """
    if unknown := sorted(set(settings.rerun_triggers) - {*TRIGGERS}):
        raise PlanError(
            f"--rerun-triggers: '{unknown[0]}' is none of {', '.join(TRIGGERS)}", "bad-value"
        )
    return Rules(
        settings.if_exists,
        frozenset(settings.rerun_triggers),
        settings.force,
        settings.verify == "hash",
        settings.retry_failed,
    )


def pool_options(settings: RunOptions, preload: tuple[str, ...]) -> PoolOptions:
    """Options of the pool."""
    workers = settings.workers or cpus()
    if workers < 1:
        raise PlanError(f"workers must be 1 or more, not {settings.workers}", "bad-value")
    return PoolOptions(
        workers=workers,
        timeout=settings.timeout,
        retries=settings.retries,
        method=settings.method,  # type: ignore[arg-type]
        preload=preload,
        seconds=settings.max_seconds,
        limits=Limits(settings.mem_limit, settings.nice),
    )


def failure_limit(limit: str | int | None, total: int) -> int | None:
    """Number of failed files that ends the run.

    Raises
    ------
    PlanError
        ``bad-value`` for what is neither a count nor a percentage.
    """
    if limit is None:
        return None
    text = str(limit).strip()
    try:
        number = float(text[:-1]) * total / 100 if text.endswith("%") else int(text)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:  # nor nan
        raise PlanError(f"--max-failures is a number or a percentage, not '{limit}'", "bad-value")
    return max(1, round(number))
