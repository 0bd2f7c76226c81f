"""select: fields that stay, in the order wanted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import oracle
import pytest

from shpbatch.errors import StepError
from shpbatch.models import Header

EXAMPLES = ["--fields FIRST", "--fields FIRST --exclude"]
SIDS = oracle.SAMPLES / "census/sids.shp"


def names(chain: str) -> list[str]:
    return oracle.ours(chain, oracle.read_undecoded(SIDS)).header.field_names()


def test_worked_case() -> None:
    assert names("select --fields NAME,AREA") == ["NAME", "AREA"]
    assert names("select name,area") == ["NAME", "AREA"]
    kept = names("select NAME,AREA --exclude")
    assert len(kept) == 20
    assert "NAME" not in kept


def test_values_and_widths_stay() -> None:
    layer = oracle.read_undecoded(SIDS)
    result = oracle.ours("select FIPS,AREA", layer)
    assert result.columns[0] is layer.columns[layer.header.field_names().index("FIPS")]
    assert result.header.fields[1] == layer.header.fields[1]
    assert result.records is layer.records


@pytest.mark.parametrize(
    ("chain", "code"),
    [("select nope", "field-missing"), ("select FID --exclude", "no-fields")],
)
def test_refusals(chain: str, code: str) -> None:
    path = oracle.SAMPLES / ("awkward/emptypoints.shp" if "FID" in chain else "census/sids.shp")
    with pytest.raises(StepError) as error:
        oracle.ours(chain, oracle.read_undecoded(path))
    assert error.value.code == code


def test_names_that_differ_only_by_case() -> None:
    from shpbatch.engine.apply import apply_header
    from shpbatch.models import Field
    from shpbatch.recipes.recipe import parse_chain

    header = Header("Point", fields=(Field("NAME", "C", 5), Field("name", "C", 6)))
    assert apply_header(parse_chain("select name"), header).fields == (Field("name", "C", 6),)
    with pytest.raises(StepError) as error:
        apply_header(parse_chain("select Name"), header)
    assert error.value.code == "field-ambiguous"


def test_same_as_ogr2ogr(tmp_path: Path) -> None:
    program = shutil.which("ogr2ogr")
    if program is None:
        pytest.skip("ogr2ogr is not installed")
    target = tmp_path / "x.shp"
    command = [program, "-select", "NAME,AREA,SID74", str(target), str(SIDS)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    theirs = oracle.read_undecoded(target)
    mine = oracle.ours("select NAME,AREA,SID74", oracle.read_undecoded(SIDS))
    # GDAL keeps the order of the file, we that of the option.
    for name in ("NAME", "AREA", "SID74"):
        assert mine.column(name).equals(theirs.column(name))
    assert sorted(mine.header.field_names()) == sorted(theirs.header.field_names())


def test_no_rows() -> None:
    layer = oracle.read_undecoded(SIDS).take(np.arange(0))
    assert oracle.ours("select NAME", layer).header.field_names() == ["NAME"]
