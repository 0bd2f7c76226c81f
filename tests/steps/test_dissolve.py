"""dissolve: one feature a group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracle
import pyarrow as pa
import pytest
import shapely

from shpbatch.engine.apply import apply_header
from shpbatch.errors import RecipeError, StepError
from shpbatch.models import Field, Header
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.dissolve import dissolve

EXAMPLES = ["", "--by FIRST", "--aggregates FIRST:count"]
FIELDS = Header(
    "Polygon", fields=(Field("kind", "C", 5), Field("pop", "N", 5), Field("day", "D", 8))
)


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
    assert layer.account.features(1).balances()


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


def test_other_fields_keep_the_value_of_the_first_feature() -> None:
    fields = pa.table({"k": ["b", "a", "b"]})
    _, table, rows = dissolve(squares(0, 5, 1), fields, by=["k"])
    assert table.num_columns == 0
    assert rows.tolist() == [0, 1]  # the engine takes all else from these


def test_nan_and_null_are_a_group_each() -> None:
    fields = pa.table({"k": pa.array([np.nan, None, np.nan, None, 0.0])})
    assert dissolve(squares(0, 1, 2, 3, 4), fields, by=["k"])[2].tolist() == [0, 1, 4]


@pytest.mark.parametrize(
    "bad",
    [
        "POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))",
        # GEOS unites these two to something wrong and says nothing.
        "MULTIPOLYGON (((0 0, 4 0, 4 4, 0 4, 0 0)), ((2 2, 6 2, 6 6, 2 6, 2 2)))",
        "MULTIPOLYGON (((0 0, 4 0, 4 4, 0 4, 0 0)), ((1 1, 3 1, 3 3, 1 3, 1 1)))",
    ],
)
def test_invalid_members_are_refused_with_their_row(bad: str) -> None:
    layer = oracle.layer_of(["POLYGON ((9 9, 10 9, 10 10, 9 9))", bad, bad], "Polygon")
    with pytest.raises(StepError, match=r"feature 1 is not valid .*first of 2; put make-valid"):
        oracle.ours("dissolve", layer)
    cured = oracle.ours("make-valid ! dissolve", layer)
    assert cured.shapes[0].is_valid
    # A group of one is not touched.
    assert oracle.ours("dissolve --by FID", layer).shapes[1] is layer.shapes[1]


@pytest.mark.parametrize("far", [np.inf, np.nan])
def test_a_coordinate_that_is_not_finite_does_not_vanish(far: float) -> None:
    with np.errstate(invalid="ignore"):
        lost = shapely.LineString([(0, 0), (1, far), (5, 5)])
    layer = oracle.layer_of(["LINESTRING (8 8, 9 9)", lost], "PolyLine")
    with pytest.raises(StepError, match="feature 1") as error:
        oracle.ours("dissolve", layer)
    assert error.value.code == "invalid-geometry"


def test_a_line_of_no_length_hinders_nobody() -> None:
    layer = oracle.layer_of(["LINESTRING (0 0, 1 0)", "LINESTRING (5 5, 5 5)"], "PolyLine")
    assert oracle.ours("dissolve", layer).shapes[0].equals(layer.shapes[0])


def test_m_is_lost_and_counted_z_is_kept() -> None:
    wkt = ["LINESTRING ZM (0 0 1 5, 1 1 2 6)", "LINESTRING ZM (2 2 3 7, 3 3 4 8)"]
    layer = oracle.layer_of(wkt, "PolyLine", has_z=True)
    (line,) = oracle.ours("dissolve", layer).shapes
    assert line.wkt == "MULTILINESTRING Z ((0 0 1, 1 1 2), (2 2 3, 3 3 4))"
    assert layer.account.losses["dissolve dropped the M values of features"] == 2


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        ("dissolve --aggregates pop:sum,pop:mean", "bad-aggregate"),
        ("dissolve --aggregates pop:sum,POP:mean", "bad-aggregate"),
        ("dissolve --by kind --aggregates kind:count", "bad-aggregate"),
        ("dissolve --aggregates kind:mean", "field-type"),
        ("dissolve --aggregates day:sum", "field-type"),
        ("dissolve --aggregates popp:sum", "field-missing"),
    ],
)
def test_refused_when_planning(chain: str, code: str) -> None:
    with pytest.raises(StepError) as error:
        apply_header(parse_chain(chain), FIELDS)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("aggregate", "kind"),
    [
        ("pop:sum", "int64"),
        ("pop:mean", "float64"),
        ("pop:max", "int32"),
        ("day:count", "int64"),
        ("day:min", "date32"),
        ("kind:first", "string"),
        ("kind:max", "string"),
    ],
)
def test_types_as_planned(aggregate: str, kind: str) -> None:
    header = apply_header(parse_chain(f"dissolve --aggregates {aggregate}"), FIELDS)
    assert {f.name: f.arrow for f in header.fields}[aggregate.partition(":")[0]] == kind
