"""What is measured: each work, our command for it, and those of the peers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .peers.steps import DISTANCE, EXPRESSION, SEGMENTS, TOLERANCE, UTM, WHERE, WORLD
from .tools import Tools

PEERS = Path(__file__).with_name("peers")
LCO = ("-lco", "ENCODING=UTF-8", "-f", "ESRI Shapefile")
REPROJECT = ("reproject", "--dst-crs", UTM)
#: By work, then by peer: ratio peer/us that is wanted, of the time that judges the work.
TARGETS = {
    "copy": {"ogr2ogr": 6.0, "geopandas Pool(16)": 15.0},
    "reproject": {"ogr2ogr": 4.0, "geopandas Pool(16)": 9.0},
    "filter": {"ogr2ogr": 5.0, "geopandas Pool(16)": 12.0},
    "calculate": {"ogr2ogr -sql (translate.py)": 3.0, "geopandas Pool(16)": 8.0},
    "simplify": {"ogr2ogr": 1.6, "geopandas Pool(16)": 2.5},
    "buffer": {"ogr2ogr -sql (translate.py)": 1.6, "geopandas Pool(16)": 2.5},
    "reproject-M": {"ogr2ogr": 1.8, "geopandas Pool(16)": 3.0},
    "merge": {"ogrmerge.py": 6.0, "geopandas Pool(16)": 15.0},
    "tiny": {"ogr2ogr, one process a file": 20.0, "ogr2ogr": 0.7, "geopandas Pool(16)": 4.0},
    "workers": {"shpbatch -j 1": 1.6},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """A command line; ``{out}`` in it is the folder of the outputs."""

    name: str
    argv: tuple[str, ...]
    make_out: bool = True
    #: Reason why it cannot be run here.
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """One work, done by us and by peers."""

    name: str
    title: str
    source: Path
    ours: Command
    peers: tuple[Command, ...]
    judged_by: str = "cpu"


def works(inputs: dict[str, Path], tools: Tools) -> list[Work]:
    """All works on those inputs that there are, in the order of the table."""
    make = _Commands(tools)
    f, flat, polygons = inputs["F"], inputs["F-flat"], inputs["F"] / "polygons"
    t, b = inputs["T"], inputs["B"]
    cp = Command("cp -r", ("cp", "-r", str(f), "{out}"), make_out=False)
    copy = (cp, make.ogr2ogr(flat), make.script("pyogrio_copy", f))
    here = ("copy", "reproject", "filter", "calculate")
    pools = {s: (make.geopandas(s, f), make.fiona(s, f)) for s in here}
    simplify = ("simplify", "--tolerance", str(TOLERANCE))
    buffer = ("buffer", "--distance", str(DISTANCE), "--quadrant-segments", str(SEGMENTS))
    calculate = ("calculate", "--field", "calc", "--expression", EXPRESSION)
    found = [
        Work("copy", "copy F", f, make.ours(f), copy + pools["copy"]),
        Work("reproject", f"reproject F to {UTM}", f, make.ours(f, *REPROJECT),
             (make.ogr2ogr(flat, "-t_srs", UTM), *pools["reproject"])),
        Work("filter", f"filter F, {WHERE}", f, make.ours(f, "filter", "--where", WHERE),
             (make.ogr2ogr(flat, "-where", WHERE), *pools["filter"])),
        Work("calculate", f"calculate a field on F, {EXPRESSION}", f, make.ours(f, *calculate),
             (make.translate("calculate", f), *pools["calculate"])),
        Work("simplify", "simplify F (polygons)", polygons, make.ours(polygons, *simplify),
             (make.ogr2ogr(polygons, "-simplify", str(TOLERANCE)),
              make.geopandas("simplify", polygons))),
        Work("buffer", "buffer F (polygons)", polygons, make.ours(polygons, *buffer),
             (make.translate("buffer", polygons), make.geopandas("buffer", polygons))),
        Work("merge", "merge F (polygons) into one", polygons, make.merge(polygons),
             (make.ogrmerge(polygons), make.geopandas("merge", polygons))),
        Work("tiny", f"reproject T to {UTM}, 16 workers", t, make.ours(t, *REPROJECT, workers=16),
             (make.one_a_file(t), make.ogr2ogr(t, "-t_srs", UTM), make.geopandas("reproject", t)),
             judged_by="wall"),
        Work("workers", f"reproject B to {UTM}, 2 workers", b, make.ours(b, *REPROJECT, workers=2),
             (make.ours(b, *REPROJECT),), judged_by="wall"),
    ]  # fmt: skip
    if "M" in inputs:
        m = inputs["M"]
        ours = make.ours(m, "reproject", "--dst-crs", WORLD)
        peers = (make.ogr2ogr(m, "-t_srs", WORLD), make.geopandas("reproject-world", m))
        found.insert(6, Work("reproject-M", f"reproject M to {WORLD}", m, ours, peers))
    return found


@dataclass(frozen=True, slots=True)
class _Commands:
    """Command lines from what there is on this machine."""

    tools: Tools

    def ours(self, source: Path, *step: str, workers: int = 1) -> Command:
        argv = (*self.tools.shpbatch, "run", str(source), "-o", "{out}", "-j", str(workers),
                "--progress", "none", "-q")  # fmt: skip
        return Command(f"shpbatch -j {workers}", argv + (("!", *step) if step else ()), False)

    def merge(self, source: Path) -> Command:
        argv = (*self.tools.shpbatch, "run", str(source), "-o", "{out}", "-j", "1",
                "--progress", "none", "-q", "--merge", "all")  # fmt: skip
        missing = "" if "--merge" in self.tools.options else "shpbatch run has no --merge yet"
        return Command("shpbatch -j 1", argv, False, missing)

    def ogr2ogr(self, source: Path, *options: str) -> Command:
        argv = ("ogr2ogr", *LCO, *options, "{out}", str(source))
        return Command("ogr2ogr", argv, False, self.tools.lack("ogr2ogr"))

    def ogrmerge(self, source: Path) -> Command:
        files = sorted(str(p) for p in source.glob("*.shp"))
        argv = ("ogrmerge.py", "-single", *LCO, "-o", "{out}/merged.shp", *files)
        return Command("ogrmerge.py", argv, True, self.tools.lack("ogrmerge.py"))

    def one_a_file(self, source: Path) -> Command:
        each = f"ogr2ogr {LCO[0]} {LCO[1]} -t_srs {UTM} {{out}}/{{}} '{source}'/{{}}"
        program = "parallel" if not self.tools.lack("parallel") else "xargs"
        by = "parallel --will-cite -j2" if program == "parallel" else "xargs -P2 -I{}"
        argv = ("sh", "-c", f"cd '{source}' && ls | grep 'shp$' | {by} {each}")
        return Command("ogr2ogr, one process a file", argv, True, self.tools.lack("ogr2ogr"))

    def translate(self, step: str, source: Path) -> Command:
        argv = (self.tools.bindings, str(PEERS / "translate.py"), step, str(source), "{out}")
        missing = "" if self.tools.bindings else "no Python with GDAL's own bindings (osgeo)"
        return Command("ogr2ogr -sql (translate.py)", argv, True, missing)

    def script(self, name: str, *arguments: str | Path, title: str = "pyogrio arrow") -> Command:
        python = self.tools.python
        return Command(title, (python, str(PEERS / f"{name}.py"), *map(str, arguments), "{out}"))

    def geopandas(self, step: str, source: Path) -> Command:
        return self.script("pool_geopandas", step, source, title="geopandas Pool(16)")

    def fiona(self, step: str, source: Path) -> Command:
        return self.script("pool_fiona", step, source, title="fiona Pool(16)")


#: What our command is run with besides, for the columns at the end.
VARIANTS = {"no proof": ("--no-proof",), "fast": ("--durability", "fast")}


def variant(ours: Command, name: str) -> Command:
    """Our command with the options of a variant."""
    at = ours.argv.index("-q")
    argv = (*ours.argv[:at], *VARIANTS[name], *ours.argv[at:])
    return Command(f"{ours.name}, {name}", argv, ours.make_out, ours.missing)
