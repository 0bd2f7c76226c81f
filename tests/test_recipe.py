"""Recipes: files, chains and Python lists; what is wrong with them, all at once, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shpbatch.errors import RecipeError
from shpbatch.models import Recipe, StepCall
from shpbatch.recipes.file import recipe_schema
from shpbatch.recipes.recipe import as_recipe, parse_chain, parse_words, read_recipe


def read(folder: Path, text: str | bytes, name: str = "r.yaml") -> Recipe:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_recipe(path)


def refused(folder: Path, text: str | bytes, name: str = "r.yaml") -> RecipeError:
    with pytest.raises(RecipeError) as error:
        read(folder, text, name)
    return error.value


def calls(recipe: Recipe) -> list[tuple[str, dict[str, Any]]]:
    return [(c.name, dict(c.params)) for c in recipe.steps]


# --- files that are no recipe ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"", "bad-recipe", "r.yaml: a recipe has a list 'steps:'"),
        (b"steps:", "bad-recipe", "a list 'steps:'"),
        (b"steps: make-valid", "bad-recipe", "a list 'steps:'"),
        (b"42", "bad-recipe", "a list 'steps:'"),
        (b"steps: []\nstep: []", "unknown-key", "r.yaml:2:1: unknown key 'step' (did you mean"),
        (b"#" * 2_000_000, "bad-recipe", "1,000,000 bytes"),
        ("steps: [größe]".encode("latin-1"), "bad-syntax", "not UTF-8"),
        ("steps: []".encode("utf-16"), "bad-syntax", "not UTF-8"),
        (b"steps: [a\0b]", "bad-syntax", "r.yaml: not readable as YAML"),
        (b"steps: [a", "bad-syntax", "r.yaml:1:10: "),
        (b"steps:\n\t- a", "bad-syntax", "r.yaml:2:1: "),
        (b"a: &x [1]\nsteps: *x", "bad-syntax", "aliases"),
        (b"steps: []\n---\nsteps: []", "bad-syntax", "r.yaml:2:1: but found another document"),
        (b"steps: []\nsteps: []", "bad-syntax", "r.yaml:2:1: key 'steps' is there twice"),
        (b"steps:\n- simplify: {tolerance: 1, tolerance: 2}", "bad-syntax", "r.yaml:2:28: key"),
        (b"steps:\n- calculate: {field: 2020-13-45}", "bad-syntax", "quote it"),
        (b"steps: [!!python/name:os.system x]", "bad-syntax", "r.yaml:1:9: "),
        (b"steps: " + b"[" * 200 + b"]" * 200, "bad-syntax", "nested more than 50 deep"),
        (b"".join(b" " * i + b"a:\n" for i in range(1000)), "bad-syntax", "r.yaml: "),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: bytes, code: str, words: str) -> None:
    error = refused(tmp_path, text)
    assert words in str(error)
    assert error.code == code


def test_a_nesting_bomb_is_refused_before_it_is_read_to_its_end(tmp_path: Path) -> None:
    assert "nested more than 50 deep" in str(refused(tmp_path, "steps: " + "[" * 300))


def test_a_billion_laughs(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert refused(tmp_path, "\n".join(lines)).code == "bad-syntax"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.json", '{"steps": ['),
        ("r.json", '{"steps": ["make-valid"], "steps": []}'),
        ("r.toml", "steps = ["),
        ("r.toml", "steps = []\nsteps = []"),
        ("r.toml", "a = " + "[" * 5000),
        ("r.toml", "steps: [make-valid]"),
    ],
)
def test_json_and_toml_that_are_none(tmp_path: Path, name: str, text: str) -> None:
    error = refused(tmp_path, text, name)
    assert error.code == "bad-syntax"
    assert str(error).startswith(name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "no.yaml", tmp_path):
        with pytest.raises(RecipeError, match="check -r") as error:
            read_recipe(path)
        assert error.value.code == "recipe-missing"


# --- mistakes in steps, with their place --------------------------------------


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        ("bufer", "unknown-step", "2:3: unknown step 'bufer' (did you mean 'buffer'?)"),
        (
            "simplify: {tolerence: 5, tolerance: 5}",
            "unknown-key",
            "2:14: simplify: unknown key 'tolerence' (did",
        ),
        ("simplify", "missing-parameter", "2:3: simplify: 'tolerance' is required"),
        ("simplify: {}", "missing-parameter", "'tolerance' is required"),
        ("clip", "missing-parameter", "2:3: clip: give bbox or like"),
        ("simplify: {tolerance: true}", "bad-type", "2:14: simplify: 'tolerance' must be a number"),
        ("simplify: {tolerance: '5'}", "bad-type", "'tolerance' must be a number, not '5'"),
        ("simplify: {tolerance: null}", "bad-type", "'tolerance' must be a number"),
        ("simplify: {tolerance: [5]}", "bad-type", "'tolerance' must be a number"),
        ("simplify: {tolerance: 0}", "bad-value", "must be greater than 0, not '0'"),
        ("simplify: {tolerance: .nan}", "bad-value", "finite"),
        ("simplify: {tolerance: .inf}", "bad-value", "finite"),
        ("buffer: {distance: 5, quadrant_segments: 2.5}", "bad-type", "must be a whole number"),
        ("buffer: {distance: 5, quadrant_segments: true}", "bad-type", "must be a whole number"),
        ("buffer: {distance: 5, side: up}", "bad-choice", "is one of 'both', 'left' or 'right'"),
        ("select: {fields: [1]}", "bad-type", "2:12: select: 'fields' must be text, not '1'"),
        ("select: {fields: true}", "bad-type", "'fields' must be text"),
        ("select: {fields: [A], exclude: 1}", "bad-type", "must be true or false, not '1'"),
        ("select: {fields: [A], exclude: 'no'}", "bad-type", "must be true or false"),
        ("clip: {bbox: [1, 2, 3]}", "bad-type", "4 numbers: minx,miny,maxx,maxy"),
        ("clip: {bbox: [1, 2, 3, 4, 5]}", "bad-type", "4 numbers"),
        ("clip: {bbox: [1, 2, 3, true]}", "bad-type", "must be a number, not 'True'"),
        ("reproject: {dst_crs: EPSG:1}", "bad-crs", "2:15: reproject: 'dst_crs': 'EPSG:1' is not"),
        ("reproject: {dst_crs: 4326}", "bad-type", "must be text, not '4326'"),
        ("dissolve: {aggregates: [pop:average]}", "bad-aggregate", "FIELD:FUNCTION"),
        ("[make-valid]", "bad-recipe", "2:3: a step is a name or"),
        ("5", "bad-recipe", "a step is a name or"),
        ("simplify: 5", "bad-recipe", "2:3: a step is a name or"),
        ("{simplify: {tolerance: 5}, buffer: {distance: 5}}", "bad-recipe", "a step is a name"),
    ],
)
def test_a_mistake_in_a_step(tmp_path: Path, step: str, code: str, words: str) -> None:
    error = refused(tmp_path, f"steps:\n- {step}\n")
    assert words in str(error)
    assert error.code == code
    assert str(error).startswith("r.yaml:2:")


def test_all_mistakes_at_once_in_order_with_their_places(tmp_path: Path) -> None:
    error = refused(
        tmp_path,
        "steps:\n"
        "  - make-valid\n"
        "  - buffer:\n"
        "      distanse: 5\n"
        "      side: up\n"
        "  - 7\n"
        "  - reproject: {dst_crs: nonsense, src-crs: 5}\n"
        "  - slect\n",
    )
    places = [line.split(" ")[0] for line in str(error).splitlines()]
    assert places == [
        "r.yaml:3:5:",
        "r.yaml:5:7:",
        "r.yaml:4:7:",
        "r.yaml:6:5:",
        "r.yaml:7:17:",
        "r.yaml:7:36:",
        "r.yaml:8:5:",
    ]
    assert error.code == "missing-parameter"


def test_all_mistakes_of_toml_and_json(tmp_path: Path) -> None:
    error = refused(tmp_path, 'steps = ["bufer", {simplify = {tolerance = true}}]', "r.toml")
    assert [line.split(" ")[0] for line in str(error).splitlines()] == ["r.toml:", "r.toml:"]
    error = refused(tmp_path, '{"steps": [\n"bufer",\n{"simplify": {"tolerance": "1"}}]}', "r.json")
    assert [line.split(" ")[0] for line in str(error).splitlines()] == [
        "r.json:2:1:",
        "r.json:3:15:",
    ]


def test_one_parameter_in_both_spellings(tmp_path: Path) -> None:
    error = refused(tmp_path, "steps:\n- reproject: {dst-crs: EPSG:4326, dst_crs: EPSG:3857}\n")
    assert "twice" in str(error)


# --- files that are ----------------------------------------------------------

EXPECTED = [
    ("make-valid", {}),
    ("reproject", {"dst_crs": "EPSG:32650"}),
    ("select", {"fields": ["NAME"], "exclude": True}),
    ("clip", {"bbox": (1.0, 2.0, 3.0, 4.5)}),
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "r.yaml",
            (
                "# why\nsteps:\n  - make-valid\n  - reproject: {dst_crs: EPSG:32650}\n"
                "  - select: {fields: NAME, exclude: true}\n  - clip: {bbox: [1, 2, 3, 4.5]}\n"
            ),
        ),
        (
            "r.YML",
            (
                "- make-valid:\n- reproject:\n    dst-crs: 'EPSG:32650'\n"
                "- select:\n    fields: [NAME]\n    exclude: yes\n- clip: {bbox: [1, 2, 3, 4.5]}\n"
            ),
        ),
        (
            "r.json",
            (
                '{"$schema": "x", "steps": ["make-valid", {"reproject": {"dst_crs": "EPSG:32650"}},'
                '{"select": {"fields": ["NAME"], "exclude": true}},'
                '{"clip": {"bbox": [1, 2, 3, 4.5]}}]}'
            ),
        ),
        (
            "r.toml",
            (
                'steps = ["make-valid", {reproject = {dst-crs = "EPSG:32650"}},\n'
                '{select = {fields = "NAME", exclude = true}}, {clip = {bbox = [1, 2, 3, 4.5]}}]\n'
            ),
        ),
        (
            "r.toml",
            (
                "[[steps]]\n[steps.make-valid]\n[[steps]]\n[steps.reproject]\n"
                'dst_crs = "EPSG:32650"\n[[steps]]\n[steps.select]\nfields = ["NAME"]\n'
                "exclude = true\n[[steps]]\nclip = {bbox = [1, 2, 3, 4.5]}\n"
            ),
        ),
    ],
)
def test_the_same_recipe_in_every_language(tmp_path: Path, name: str, text: str) -> None:
    assert calls(read(tmp_path, text, name)) == EXPECTED
    assert calls(read(tmp_path, "\ufeff" + text, name)) == EXPECTED
    assert Recipe.read(tmp_path / name) == read_recipe(tmp_path / name)


def test_a_recipe_of_no_steps(tmp_path: Path) -> None:
    assert read(tmp_path, "steps: []") == Recipe()


def test_json_with_tabs(tmp_path: Path) -> None:
    text = json.dumps({"steps": ["make-valid"]}, indent="\t")
    assert calls(read(tmp_path, text, "r.json")) == [("make-valid", {})]


@pytest.mark.parametrize("name", ["r.json", "r.yaml"])
def test_a_small_number(tmp_path: Path, name: str) -> None:
    text = json.dumps({"steps": [{"simplify": {"tolerance": 1e-05}}]})
    assert calls(read(tmp_path, text, name)) == [("simplify", {"tolerance": 1e-05})]


def test_json_escapes(tmp_path: Path) -> None:
    text = json.dumps({"steps": [{"filter": {"where": "a = '😀'"}}]})
    assert calls(read(tmp_path, text, "r.json")) == [("filter", {"where": "a = '😀'"})]


def test_the_schema_agrees_with_the_check(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(recipe_schema())
    good = {"steps": ["make-valid", {"simplify": {"tolerance": 5}}]}
    assert validator.is_valid(good)
    read(tmp_path, json.dumps(good))
    for steps in (
        ["simplify"],
        ["bufer"],
        [{"simplify": {"tolerance": "5"}}],
        [{"a": {}, "b": {}}],
    ):
        assert not validator.is_valid({"steps": steps}), steps
        refused(tmp_path, json.dumps({"steps": steps}))
    assert not validator.is_valid({"steps": [], "other": 1})


# --- chains ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("! !", "bad-pipeline", "followed by no step"),
        ("!", "bad-pipeline", "followed by no step"),
        ("make-valid !", "bad-pipeline", "followed by no step"),
        ("! make-valid ! ! buffer 5", "bad-pipeline", "followed by no step"),
        ("--distance 5", "bad-pipeline", "where a step's name should"),
        ("filter --where 'a > 1", "bad-pipeline", "No closing quotation"),
        ("bufer", "unknown-step", "did you mean 'buffer'"),
        ("simplify --tolerence 5", "unknown-option", "did you mean '--tolerance'"),
        ("simplify --tolerance", "bad-pipeline", "wants a value"),
        ("simplify 5 6", "bad-pipeline", "'6' belongs to no option"),
        ("make-valid 5", "bad-pipeline", "'5' belongs to no option"),
        ("simplify", "missing-parameter", "'--tolerance' is required"),
        ("simplify five", "bad-type", "'--tolerance' must be a number, not 'five'"),
        ("simplify nan", "bad-value", "finite"),
        ("buffer 5 --quadrant-segments 2.5", "bad-type", "must be a whole number"),
        ("buffer 5 --side up", "bad-choice", "'--side' is one of"),
        ("select A --exclude=maybe", "bad-type", "true or false"),
        ("clip --bbox 1,2,3", "bad-type", "4 numbers"),
        ("clip --bbox 1,2,3,x", "bad-type", "must be a number, not 'x'"),
        ("clip", "missing-parameter", "give --bbox or --like"),
        ("reproject EPSG:1", "bad-crs", "not a CRS that PROJ knows"),
        ("simplify --dst_crs 5", "unknown-option", "--dst_crs"),
    ],
)
def test_a_chain_that_is_wrong(text: str, code: str, words: str) -> None:
    with pytest.raises(RecipeError) as error:
        parse_chain(text)
    assert words in str(error.value)
    assert error.value.code == code


def test_all_mistakes_of_a_chain_at_once() -> None:
    with pytest.raises(RecipeError) as error:
        parse_chain("bufer ! simplify five ! buffer --nope 1 ! make-valid ! --x ! clip")
    assert len(str(error.value).splitlines()) == 5
    assert error.value.code == "unknown-step"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("make-valid", [("make-valid", {})]),
        ("! make-valid ! simplify 5", [("make-valid", {}), ("simplify", {"tolerance": 5.0})]),
        ("simplify --tolerance 5", [("simplify", {"tolerance": 5.0})]),
        ("simplify --tolerance=5", [("simplify", {"tolerance": 5.0})]),
        ("buffer -5", [("buffer", {"distance": -5.0})]),
        ("buffer --distance -5", [("buffer", {"distance": -5.0})]),
        ("select A,B", [("select", {"fields": ["A", "B"]})]),
        ("select --fields A, --fields=B", None),
        ("select --fields A --fields B,C", [("select", {"fields": ["A", "B", "C"]})]),
        ("select --exclude A", [("select", {"fields": ["A"], "exclude": True})]),
        ("select A --exclude", [("select", {"fields": ["A"], "exclude": True})]),
        ("select A --exclude=false", [("select", {"fields": ["A"], "exclude": False})]),
        ("select 'A, B'", [("select", {"fields": ["A", "B"]})]),
        ("clip --bbox=-1,2,3,4", [("clip", {"bbox": (-1.0, 2.0, 3.0, 4.0)})]),
        (
            "filter --where \"pop > 1000 AND kind = 'a ! b'\"",
            [("filter", {"where": "pop > 1000 AND kind = 'a ! b'"})],
        ),
        ('filter --where="a = \'x\'"', [("filter", {"where": "a = 'x'"})]),
        (
            "calculate density 'pop / 2'",
            [("calculate", {"field": "density", "expression": "pop / 2"})],
        ),
        (
            "calculate --field density 'pop / 2'",
            [("calculate", {"field": "density", "expression": "pop / 2"})],
        ),
        ("reproject EPSG:4326 --src-crs EPSG:3857", [
            ("reproject", {"dst_crs": "EPSG:4326", "src_crs": "EPSG:3857"})
        ]),
    ],
)  # fmt: skip
def test_chains(text: str, expected: list[tuple[str, dict[str, Any]]] | None) -> None:
    if expected is None:
        expected = [("select", {"fields": ["A", "", "B"]})]
    assert calls(parse_chain(text)) == expected
    assert calls(as_recipe(text)) == expected


def test_words_are_not_split_again() -> None:
    recipe = parse_words(["!", "filter", "--where", "a = 'x y'", "!", "make-valid"])
    assert calls(recipe) == [("filter", {"where": "a = 'x y'"}), ("make-valid", {})]


# --- Python ------------------------------------------------------------------


def near(gdf, metres=3.0):  # type: ignore[no-untyped-def]
    return gdf


def nearer(gdf, *, metres: float = 3.0, kind: str = "a"):  # type: ignore[no-untyped-def]
    return gdf


@pytest.mark.parametrize("recipe", [5, None, {"buffer": {}}, Path("r.yaml"), 5.5])
def test_what_describes_no_recipe(recipe: Any) -> None:
    with pytest.raises(RecipeError) as error:
        as_recipe(recipe)
    assert error.value.code == "bad-recipe"


@pytest.mark.parametrize("item", [5, None, ("buffer", 5), ("a", {}, {}), {"a": {}, "b": {}}, b"x"])
def test_what_is_no_step(item: Any) -> None:
    with pytest.raises(RecipeError, match="is not a step") as error:
        as_recipe(["make-valid", item])
    assert error.value.code == "bad-recipe"


@pytest.mark.parametrize("item", [{"buffer": 5}, ("buffer", {5: 1}), " "])
def test_a_step_with_parameters_that_are_none(item: Any) -> None:
    with pytest.raises(RecipeError):
        as_recipe([item])


def test_all_mistakes_of_a_list_at_once() -> None:
    with pytest.raises(RecipeError) as error:
        as_recipe([5, "buffer --nope 1", ("simplify", {}), "bufer"])
    assert len(str(error.value).splitlines()) == 4


def test_values_of_python_are_checked_strictly() -> None:
    for value in (True, "5", None, [5], 0, float("inf")):
        with pytest.raises(RecipeError, match="tolerance"):
            as_recipe([("simplify", {"tolerance": value})])
    assert calls(as_recipe([("simplify", {"tolerance": 5})])) == [("simplify", {"tolerance": 5.0})]


def test_every_spelling_of_a_step_in_python() -> None:
    expected = [("simplify", {"tolerance": 5.0})]
    for item in (
        "simplify 5",
        "simplify --tolerance 5",
        ("simplify", {"tolerance": 5}),
        ["simplify", {"tolerance": 5}],
        {"simplify": {"tolerance": 5}},
        StepCall("simplify", {"tolerance": 5}),
    ):
        assert calls(as_recipe([item])) == expected
    assert calls(as_recipe(iter(["make-valid", {"make-valid": None}]))) == [("make-valid", {})] * 2
    recipe = as_recipe(["make-valid"])
    assert as_recipe(recipe) is recipe
    assert as_recipe([]) == Recipe()


def test_single_values_where_a_list_is_wanted() -> None:
    assert calls(as_recipe([("select", {"fields": "A"})])) == [("select", {"fields": ["A"]})]


def test_a_tuple_where_a_list_is_wanted() -> None:
    assert calls(as_recipe([("select", {"fields": ("A", "B")})]))[0][1]["fields"] == ["A", "B"]


@pytest.mark.parametrize("function", [near, nearer])
def test_a_function_of_the_user(function: Any) -> None:
    plain, named = as_recipe([function, (function, {"metres": 5.0})]).steps
    assert plain.name == named.name == function.__name__
    assert plain.function is not None
    assert (plain.params, named.params) == ({}, {"metres": 5.0})
    again = as_recipe([plain, named]).steps
    assert [c.params for c in again] == [{}, {"metres": 5.0}]
    assert all(c.function for c in again)


def test_parameters_of_a_function_of_the_user_are_checked() -> None:
    with pytest.raises(RecipeError, match=r"unknown key 'meters' .did you mean 'metres'"):
        as_recipe([(near, {"meters": 5})])
    with pytest.raises(RecipeError, match="'metres' must be a number"):
        as_recipe([(nearer, {"metres": "far"})])
    with pytest.raises(RecipeError, match="'metres' must be a number"):
        as_recipe([(near, {"metres": "far"})])  # no annotation, but a default of 3.0
