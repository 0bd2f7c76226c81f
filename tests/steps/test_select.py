"""select: fields that stay, in the order wanted."""

from __future__ import annotations

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
    assert result.wkb is layer.wkb


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
    from shpbatch.engine import apply_header
    from shpbatch.models import Field
    from shpbatch.recipe import parse_chain

    header = Header("Point", fields=(Field("NAME", "C", 5), Field("name", "C", 6)))
    assert apply_header(parse_chain("select name"), header).fields == (Field("name", "C", 6),)
    with pytest.raises(StepError) as error:
        apply_header(parse_chain("select Name"), header)
    assert error.value.code == "field-ambiguous"
