"""calculate: one field by an expression; the others are carried."""

from __future__ import annotations

import oracle
import pyarrow as pa
import pytest

from shpbatch.engine.apply import apply_header
from shpbatch.errors import RecipeError, StepError
from shpbatch.models import Field, Header
from shpbatch.recipes.recipe import parse_chain
from shpbatch.steps.calculate import calculate

EXAMPLES = ["--field x --expression 'FID + 1'", "--field a --expression OGR_GEOM_AREA"]
SIDS = oracle.SAMPLES / "census/sids.shp"


def test_worked_case() -> None:
    table = pa.table({"pop": pa.array([10, None]), "area": pa.array([4.0, 2.0])})
    result = calculate(table, field="density", expression="pop / area")
    assert result.column("density").to_pylist() == [2.5, None]


def test_infinity_and_nan_become_null() -> None:
    table = pa.table({"a": pa.array([1.0, 0.0, 2.0])})
    result = calculate(table, field="x", expression="CASE WHEN a = 2 THEN 1.5 ELSE a / 0 END")
    assert result.column("x").to_pylist() == [None, None, 1.5]


@pytest.mark.parametrize(
    ("expression", "options", "letter", "kind"),
    [
        ("AREA * 2", "", "N", "float64"),
        ("FIPSNO // 2", "", "N", "float64"),
        ("FID", "", "N", "int64"),
        ("NAME", "", "C", "string"),
        ("AREA > 1", "", "L", "bool"),
        ("DATE '2020-01-02'", "", "D", "date32"),
        ("AREA * 1000", "--type text", "C", "string"),
        ("1", "--type real", "N", "float64"),
        ("NULL", "", "C", "string"),
    ],
)
def test_type_of_the_new_field(expression: str, options: str, letter: str, kind: str) -> None:
    layer = oracle.read_undecoded(SIDS)
    result = oracle.ours(f'calculate --field new --expression "{expression}" {options}', layer)
    assert result.header.fields[:-1] == layer.header.fields
    assert (result.header.fields[-1].type, result.header.fields[-1].arrow) == (letter, kind)
    assert result.records is layer.records


def test_an_existing_field_is_replaced_in_its_place() -> None:
    layer = oracle.read_undecoded(SIDS)
    result = oracle.ours("calculate --field area --expression 'AREA * 2'", layer)
    assert result.header.fields == layer.header.fields  # same type: the width is kept
    at = layer.header.field_names().index("AREA")
    assert result.values(at)[0].as_py() == 2 * layer.values(at)[0].as_py()
    text = oracle.ours("calculate --field AREA --expression \"'x'\"", layer)
    assert text.header.fields[at].type == "C"


@pytest.mark.parametrize(
    ("chain", "error", "code"),
    [
        ("calculate --field x", RecipeError, "missing-parameter"),
        ("calculate --field x --expression 'a;b'", RecipeError, "expression-several"),
        ("calculate --field '' --expression 1", StepError, "bad-name"),
        ("calculate --field x --expression nope", StepError, "field-missing"),
        ("calculate --field x --expression 'TIMESTAMP \\'2020-01-01\\''", RecipeError, None),
        ("calculate --field x --expression NAME --type integer", StepError, "expression-type"),
        ("calculate --field x --expression 1 --type blob", RecipeError, "bad-choice"),
    ],
)
def test_refusals(chain: str, error: type[Exception], code: str | None) -> None:
    with pytest.raises(error) as raised:
        oracle.ours(chain, oracle.read_undecoded(SIDS))
    assert code is None or raised.value.code == code  # type: ignore[attr-defined]


def test_no_rows() -> None:
    layer = oracle.layer_of([], "Point")
    assert oracle.ours("calculate --field x --expression 1.5", layer).header.field_names() == ["x"]


def test_a_division_by_zero_is_null_in_every_type() -> None:
    table = pa.table({"a": pa.array([6.0, 0.0]), "b": pa.array([2, 0])})
    result = calculate(table, field="x", expression="a / b", type="integer")
    assert result.column("x").to_pylist() == [3, None]


def test_nothing_is_cut_to_fit_a_type() -> None:
    table = pa.table({"a": pa.array([1.0, 1.5])})
    with pytest.raises(StepError, match=r"round\(\)") as error:
        calculate(table, field="x", expression="a", type="integer")
    assert error.value.code == "expression-type"
    # A real holds 53 bits: the nearest is taken.
    large = pa.table({"a": pa.array([2**53 + 1])})
    column = calculate(large, field="x", expression="a", type="real").column("x")
    assert column.to_pylist() == [2.0**53]


@pytest.mark.parametrize(
    ("expression", "options", "code"),
    [
        ("day", "--type real", "expression-type"),
        ("pop", "--type date", "expression-type"),
        ("CAST(day AS TIMESTAMP)", "", "expression-type"),
        ("day + day", "", "expression-failed"),
        ("popp", "", "field-missing"),
    ],
)
def test_types_are_known_before_a_row_is_read(expression: str, options: str, code: str) -> None:
    header = Header("Point", fields=(Field("day", "D", 8), Field("pop", "N", 5)))
    chain = f"calculate --field x --expression '{expression}' {options}"
    with pytest.raises(StepError) as error:
        apply_header(parse_chain(chain), header)
    assert error.value.code == code


def test_a_name_may_be_longer_than_a_dbf_holds() -> None:
    """Later steps know the field by it; it is shortened when it is written."""
    recipe = parse_chain(
        "calculate --field population_density --expression 1 "
        "! filter --where 'population_density > 0' "
        "! calculate --field half --expression 'population_density / 2'"
    )
    fields = apply_header(recipe, Header("Point")).fields
    assert [f.name for f in fields] == ["population_density", "half"]
