"""What travels between the modules: frozen, picklable records of plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from os import PathLike, fspath
from typing import Any, Literal

from .features import Features
from .findings import Lost
from .policy import Policy

__all__ = ["Features", "Field", "Header", "Outcome", "Problem", "Recipe", "Report"]
__all__ += ["Sink", "Source", "Status", "StepCall", "Task"]

Status = Literal["done", "failed", "skipped", "crashed", "timeout"]
Bounds4 = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a source or a task: a stable code and a sentence."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """One layer with its sidecars, in a folder or in a zip.

    Attributes
    ----------
    path : str
        The ``.shp`` file, or the zip that holds it.
    relative : str
        Path of the ``.shp`` below the folder it was found in, with ``/``;
        the output tree mirrors it. A zip counts as a folder of its own name.
    member : str or None
        Name of the ``.shp`` inside the zip.
    size : int
        Bytes of ``.shp`` and ``.dbf``: what the work is weighed by.
    problem : Problem or None
        Why it cannot be a layer at all (a zip that is not a zip).
    """

    path: str
    relative: str
    member: str | None = None
    size: int = 0
    problem: Problem | None = None

    @property
    def name(self) -> str:
        """Path for people: ``folder/a.shp``, or ``b.zip/inner/c.shp``."""
        return f"{self.path}/{self.member}" if self.member else self.path


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute column as the ``.dbf`` declares it.

    ``type`` is the dBASE letter: C text, N or F number, D date, L logical.
    ``width`` and ``decimals`` are in bytes. A ``fresh`` field was added by a step:
    its width is the widest that it may take, and becomes as narrow as its values
    allow; a ``fixed`` one has the width that was asked for. Names may be longer
    than a ``.dbf`` holds until they are written (`field_names`). ``origin`` is the
    name that a field of the source had there: styles refer to it.
    """

    name: str
    type: str
    width: int = 0
    decimals: int = 0
    fresh: bool = field(default=False, compare=False)
    fixed: bool = field(default=False, compare=False)
    origin: str = field(default="", compare=False)

    @property
    def arrow(self) -> str:
        """Arrow type of the decoded column: string, int32, int64, float64, date32, bool."""
        if self.type in "NF":
            if self.decimals or self.type == "F" or self.width > 18:
                return "float64"
            return "int32" if 0 < self.width <= 9 else "int64"
        return {"D": "date32", "L": "bool"}.get(self.type, "string")


@dataclass(frozen=True, slots=True)
class Header:
    """What the headers of a layer say; nothing of its features is read.

    Attributes
    ----------
    geometry_type : str
        ``Point``, ``MultiPoint``, ``PolyLine``, ``Polygon``, ``MultiPatch`` or ``Null``.
    has_z, has_m : bool
    count : int
        Features declared.
    crs : str or None
        The text of the ``.prj`` as found, or any CRS text set by a step.
    crs_from : {"prj", "option", "doctor"}
    encoding, encoding_from : str
        Python codec name, and what told it: ``cpg``, ``ldid``, ``bytes`` (valid
        UTF-8), ``guess``, ``option``, or ``default`` (all is ASCII).
    encoding_confidence : float
        0 to 1.
    bounds : tuple of float or None
        (minx, miny, maxx, maxy) from the ``.shp`` header.
    problems : tuple of Problem
        What is odd but does not prevent reading.
    source : Source or None
        Which layer says so; it does not make one header differ from another.
    """

    geometry_type: str
    has_z: bool = False
    has_m: bool = False
    count: int = 0
    fields: tuple[Field, ...] = ()
    crs: str | None = None
    crs_from: str = "prj"
    encoding: str = "UTF-8"
    encoding_from: str = "default"
    encoding_confidence: float = 1.0
    bounds: Bounds4 | None = None
    problems: tuple[Problem, ...] = ()
    source: Source | None = field(default=None, compare=False, repr=False)

    def plain(self) -> dict[str, Any]:
        """What the headers say, as plain data."""
        return asdict(replace(self, source=None))

    def field_names(self) -> list[str]:
        """Names of the fields, in file order."""
        return [f.name for f in self.fields]


@dataclass(frozen=True, slots=True)
class StepCall:
    """A step by name with its checked parameters.

    ``function`` is a user's own step as cloudpickle bytes: one of a notebook reaches all workers.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    function: bytes | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps in order; the same for the command line, a file and Python."""

    steps: tuple[StepCall, ...] = ()

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Recipe:
        """Read a recipe file (YAML, TOML, JSON); all mistakes are reported at once."""
        from .recipes.recipe import read_recipe

        return read_recipe(fspath(path))


@dataclass(frozen=True, slots=True)
class Sink:
    """A written layer and the features in it."""

    path: str
    features: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one task. Plain data: it crosses process borders.

    ``value`` is what a user's function returned; ``detail`` a traceback for the log; ``notes``
    what a person should know of a complete output; ``why`` why it was made. ``staged`` are sets
    that wait in the stage, ``seen`` the sources' files when they were read. ``renamed`` are fields
    whose names a ``.dbf`` does not hold: name, written name, encoding; ``operations`` those on
    coordinates, with their accuracy. ``repairs`` were put right (with counts), ``lost`` was not.
    """

    sources: tuple[str, ...]
    status: Status
    sinks: tuple[Sink, ...] = ()
    code: str | None = None
    reason: str | None = None
    features: Features = field(default_factory=Features)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    attempts: int = 1
    detail: str | None = None
    value: Any = None
    why: str = ""
    staged: tuple[Any, ...] = ()
    seen: Mapping[str, Any] = field(default_factory=dict)
    renamed: tuple[tuple[str, str, str], ...] = ()
    operations: tuple[str, ...] = ()
    repairs: tuple[tuple[str, int], ...] = ()
    lost: tuple[Lost, ...] = ()


_NOTHING: Mapping[str, Any] = {}


def _nothing() -> Mapping[str, Any]:
    """One empty mapping for all: there may be 100,000 tasks."""
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Task:
    """One source, the recipe for it, and the sink it becomes.

    Attributes
    ----------
    header : Header or None
        Of the source, where the plan has read all that the recipe needs of it.
    seen : dict
        State of the source's files before the header was read.
    rows : tuple of int or None
        Do only these rows, up to the second, and leave the result as ``part``.
    part : str
        Name of the folder, in the stage, of a result that is to be joined.
    parts : tuple of str
        Parts of the source that other tasks left: join these.
    members : tuple of Task
        A merge, or a package: the tasks whose results make the one sink.
    union : Union or None
        What the members are united to.
    layer : str
        Of a member of a package: the layer that it becomes.
    problem, skip : Problem or None
        Why the plan knows that it cannot be done, or need not be.
    why : str
        Why there is something to do: ``new``, ``source changed: .dbf``…
    provenance : dict
        What the output depends on; its sources' files where these must stay as planned.
    owned : frozenset of str
        Outputs that an earlier run made of this task, and that it may replace.
    names : dict of str to str
        What field names that a ``.dbf`` does not hold are written as, in all of the run.
    """

    source: Source
    recipe: Recipe
    sink: str
    stage: str = ""
    cost: int = 0
    overwrite: bool = False
    problem: Problem | None = None
    skip: Problem | None = None
    policy: Policy = field(default_factory=Policy)
    header: Header | None = None
    seen: Mapping[str, Any] = field(default_factory=_nothing)
    rows: tuple[int, int] | None = None
    part: str = ""
    parts: tuple[str, ...] = ()
    members: tuple[Task, ...] = ()
    union: Any = None
    layer: str = ""
    why: str = ""
    provenance: Mapping[str, Any] = field(default_factory=_nothing)
    owned: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Report:
    """Outcomes in source order, and what they add up to.

    ``vanished`` are outputs without a source, by their path below the destination: ``pruned`` were
    removed, ``kept`` should have been. ``recovered`` outputs were begun to be published before.
    """

    run_id: str
    outcomes: tuple[Outcome, ...] = ()
    seconds: float = 0.0
    log: str | None = None
    stopped: str | None = None
    dst: str | None = None
    vanished: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()
    kept: Mapping[str, Problem] = field(default_factory=dict)
    ignored: tuple[tuple[str, str], ...] = ()
    recovered: int = 0
    exit_nothing: int = 0  # the exit code where all was up to date
