"""dissolve: one feature a group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle
import pyarrow as pa
import pytest
import shapely

from shpbatch.errors import RecipeError, StepError
from shpbatch.steps.dissolve import dissolve

EXAMPLES = ["", "--by FIRST", "--aggregates FIRST:count"]


def squares(*places: int) -> np.ndarray:
    return shapely.box(np.array(places), 0, np.array(places) + 1, 1)


def test_worked_case() -> None:
    fields = pa.table({"k": ["b", "a", "b", None], "pop": pa.array([1, 2, None, 4], pa.int32())})
    aggregates = ["pop:sum"]
    shapes, table, rows = dissolve(squares(0, 5, 1, 9), fields, by=["k"], aggregates=aggregates)
    assert rows.tolist() == [0, 1, 3]  # groups in order of first appearance; NULL is a group
    assert [g.area for g in shapes] == [2, 1, 1]
    assert shapes[0].equals(shapely.box(0, 0, 2, 1))
    assert table.column("pop").to_pylist() == [1, 2, 4]
    assert table.column("pop").type == pa.int64()


def test_two_fields_make_a_group() -> None:
    fields = pa.table({"a": ["x", "x", "y", "x"], "b": [1, 2, 1, 1]})
    _, _, rows = dissolve(squares(0, 1, 2, 3), fields, by=["a", "b"])
    assert rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("function", "expected", "kind"),
    [
        ("sum", [3.5, None], "double"),
        ("min", [1.0, None], "double"),
        ("max", [2.5, None], "double"),
        ("mean", [1.75, None], "double"),
        ("count", [2, 0], "int64"),
        ("first", [1.0, None], "double"),
        ("last", [2.5, None], "double"),
    ],
)
def test_aggregates_pass_over_null(function: str, expected: list[float], kind: str) -> None:
    fields = pa.table({"k": [1, 1, 1, 2], "v": pa.array([1.0, None, 2.5, None])})
    _, table, _ = dissolve(squares(0, 1, 2, 3), fields, by=["k"], aggregates=[f"v:{function}"])
    assert table.column("v").to_pylist() == expected
    assert str(table.column("v").type) == kind


def test_null_geometries_count_for_nothing() -> None:
    shapes = np.array([None, shapely.box(0, 0, 1, 1), None], dtype=object)
    fields = pa.table({"k": [1, 1, 2]})
    united, _, _ = dissolve(shapes, fields, by=["k"])
    assert united[0].area == 1
    assert united[1] is None


def test_points_become_multipoints_and_the_account_balances() -> None:
    layer = oracle.layer_of(["POINT (0 0)", "POINT (1 1)", "POINT (0 0)"], "Point")
    result = oracle.ours("dissolve", layer)
    assert result.header.geometry_type == "MultiPoint"
    assert shapely.get_num_geometries(result.shapes[0]) == 2
    assert layer.account.merged == 2
    assert layer.account.features(3, 1).balances()


def test_no_rows() -> None:
    assert len(oracle.ours("dissolve", oracle.layer_of([], "Polygon"))) == 0


def test_refusals() -> None:
    for chain, code in (
        ("dissolve --aggregates NAME", "bad-aggregate"),
        ("dissolve --aggregates NAME:median", "bad-aggregate"),
    ):
        with pytest.raises(RecipeError) as error:
            oracle.ours(chain, oracle.layer_of([], "Polygon"))
        assert error.value.code == code
    sids = oracle.read_undecoded(oracle.SAMPLES / "census/sids.shp")
    for chain, code in (
        ("dissolve --by NOPE", "field-missing"),
        ("dissolve --by NAME --aggregates NAME:sum", "field-type"),
    ):
        with pytest.raises(StepError) as refused:
            oracle.ours(chain, sids)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("sample:census/boston_tracts.shp", "TOWN"),
        ("sample:census/sids.shp", "SID74"),
        ("sample:transport/newhaven_nework.shp", "MTFCC"),
    ],
)
def test_same_as_ogr2ogr(name: str, field: str, tmp_path: Path) -> None:
    path = oracle.layer_path(name)
    what = "ST_Union(geometry) AS geometry, min(ROWID)"
    sql = f'SELECT {what} FROM "{path.stem}" GROUP BY "{field}" ORDER BY 2'
    try:
        theirs = oracle.ogr2ogr_sql(path, sql, folder=tmp_path)
    except oracle.NoSpatialite:
        pytest.skip("this ogr2ogr has no SpatiaLite")
    mine = oracle.ours(f"dissolve --by {field}", oracle.read(path)).shapes
    oracle.assert_same_shapes(mine, theirs.shapes, tolerance=1e-9)
