"""Recipes and values by somebody hostile: refused at once, and one line stays one line."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shapefiles as make

import shpbatch
from shpbatch import expressions
from shpbatch.errors import RecipeError, ShpbatchError
from shpbatch.recipes.recipe import read_recipe

SAMPLES = Path(__file__).parents[1] / "sample_data"
POSIX = pytest.mark.skipif(os.name != "posix", reason="names that only POSIX allows")


def shell(*words: object, **named: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shpbatch", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **named)


def refused(path: Path) -> RecipeError:
    with pytest.raises(RecipeError) as error:
        read_recipe(path)
    assert len(str(error.value)) < 30_000
    return error.value


# --- recipe files -------------------------------------------------------------

STEPS = "steps:\n- simplify: {tolerance: 1}\n"
NINES = b"9" * 100_000
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
FILES: dict[str, tuple[bytes, str]] = {
    "bomb.yaml": (BOMB.encode(), "bad-syntax"),
    "bomb-in-json.json": (b'{"a": &a [1], "steps": *a}', "bad-syntax"),
    "merge-key.yaml": (b"x: &x {tolerance: 1}\nsteps:\n- simplify: {<<: *x}\n", "bad-syntax"),
    "own-alias.yaml": (b"steps: &s [*s]", "bad-syntax"),
    "brackets.yaml": (b"steps: " + b"[" * 20_000, "bad-syntax"),
    "closed.yaml": (b"steps: " + b"[" * 20_000 + b"]" * 20_000, "bad-syntax"),
    "quoted.yaml": (b"steps: " + b'["' * 20_000, "bad-syntax"),
    "braces.yaml": (b"steps: " + b"{a: " * 20_000, "bad-syntax"),
    "dashes.yaml": (b"steps:\n" + b"- " * 20_000 + b"a", "bad-syntax"),
    "questions.yaml": (b"? " * 20_000, "bad-syntax"),
    "tags.yaml": (b"steps: " + b"!" * 20_000, "bad-syntax"),
    "brackets.json": (b'{"steps": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "bad-syntax"),
    "braces.json": (b'{"steps": ' + b'{"a":' * 20_000, "bad-syntax"),
    "deep-but-readable.json": (b'{"steps": [' + b"[" * 400 + b"]" * 400 + b"]}", "bad-syntax"),
    "deep-value.json": (
        b'{"steps": [{"simplify": {"tolerance": ' + b"[" * 400 + b"]" * 400 + b"}}]}",
        "bad-syntax",
    ),
    "brackets.toml": (b"steps = " + b"[" * 20_000 + b"]" * 20_000, "bad-syntax"),
    "dots.toml": (b"a" + b".a" * 20_000 + b" = 1", "bad-syntax"),
    "tables.toml": (b"[" + b"a." * 20_000 + b"a]", "bad-syntax"),
    "twice.yaml": (STEPS.encode() + b"steps: []", "bad-syntax"),
    "twice.json": (b'{"steps": [{"simplify": {"tolerance": 1, "tolerance": 2}}]}', "bad-syntax"),
    "twice.toml": (b"[[steps]]\nsimplify = {tolerance = 1, tolerance = 2}", "bad-syntax"),
    "zero.yaml": (b"steps: [make\0valid]", "bad-syntax"),
    "zero.json": (b'{"steps": ["make\0valid"]}', "bad-syntax"),
    "zero.toml": (b'steps = ["make\0valid"]', "bad-syntax"),
    "zeros.yaml": (bytes(1000), "bad-syntax"),
    "utf16.yaml": (STEPS.encode("utf-16"), "bad-syntax"),
    "utf16.json": ('{"steps": []}'.encode("utf-16-le"), "bad-syntax"),
    "utf16.toml": ("steps = []".encode("utf-16"), "bad-syntax"),
    "utf32.yaml": (STEPS.encode("utf-32"), "bad-syntax"),
    "surrogate.yaml": (b"steps: ['\xed\xa0\x80']", "bad-syntax"),
    "object.yaml": (b"steps: !!python/object/apply:os.system ['touch pwned']", "bad-syntax"),
    "object-step.yaml": (
        b"steps:\n- !!python/object/new:os.system ['touch pwned']\n", "bad-syntax",
    ),
    "module.yaml": (b"steps: [!!python/module:os]", "bad-syntax"),
    "function.yaml": (b"steps: ['os:system']", "unknown-step"),
    "function of mine.yaml": (b"steps:\n- antigravity:fly: {}", "unknown-step"),
    "tuple.yaml": (b"steps: !!python/tuple [make-valid]", "bad-syntax"),
    "own-tag.yaml": (
        b"%TAG ! tag:yaml.org,2002:python/\n---\nsteps: [!name:os.system '']", "bad-syntax",
    ),
    "set.yaml": (b"steps: !!set {make-valid}", "bad-syntax"),
    "binary.yaml": (b"steps:\n- simplify: {tolerance: !!binary 'AAAA'}\n", "bad-type"),
    "norway.yaml": (b"steps:\n- select: {fields: [NO]}\n", "bad-type"),
    "norway-step.yaml": (b"steps: [NO]", "bad-recipe"),
    "huge-number.yaml": (b"steps:\n- simplify: {tolerance: " + NINES + b"}", "bad-syntax"),
    "huge-number.json": (b'{"steps": [{"simplify": {"tolerance": ' + NINES + b"}}]}", "bad-syntax"),
    "huge-number.toml": (b"[[steps]]\nsimplify = {tolerance = " + NINES + b"}", "bad-syntax"),
    "base60.yaml": (b"steps:\n- simplify: {tolerance: " + b"1:" * 100_000 + b"1}", "bad-syntax"),
    "endless.json": (b'{"steps": [{"simplify": {"tolerance": Infinity}}]}', "bad-value"),
    "nan.json": (b'{"steps": [{"simplify": {"tolerance": NaN}}]}', "bad-value"),
    "inf.yaml": (b"steps:\n- simplify: {tolerance: .inf}\n", "bad-value"),
    "nan.toml": (b"[[steps]]\nsimplify = {tolerance = nan}", "bad-value"),
    "unknown.yaml": (b"steps: [os.system]", "unknown-step"),
    "hex.toml": (b"[[steps]]\nsimplify = {tolerance = 0x" + b"f" * 100_000 + b"}", "bad-syntax"),
    "hex.yaml": (b"steps:\n- simplify: {tolerance: 0x" + b"f" * 100_000 + b"}", "bad-syntax"),
    "digits.json": (
        b'{"steps": [{"simplify": {"tolerance": ' + b"9" * 4_000 + b"}}]}", "bad-syntax",
    ),
    "path.yaml": (b"steps: ['../../etc/passwd']", "unknown-step"),
    "escape.yaml": (b'steps: ["\\e[2Jmake\\nvalid"]', "unknown-step"),
    "dunder.yaml": (b"steps:\n- __import__: {name: os}\n", "unknown-step"),
    "long-name.yaml": (b"steps: [" + b"x" * 200_000 + b"]", "unknown-step"),
    "some.yaml": (b"steps:\n" + b"- nothing\n" * 120, "unknown-step"),
    "many.yaml": (b"steps:\n" + b"- nothing\n" * 90_000, "bad-recipe"),
    "many.json": (b'{"steps": [' + b'"nothing",' * 90_000 + b'"x"]}', "bad-recipe"),
    "number.toml": (b"steps = 5", "bad-recipe"),
    "a-list.json": (b"5", "bad-recipe"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_recipe_is_refused(name: str, tmp_path: Path) -> None:
    data, code = FILES[name]
    (tmp_path / name).write_bytes(data)
    error = refused(tmp_path / name)
    assert error.code.startswith(code), error
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["r.yaml", "r.json", "r.toml"])
def test_a_recipe_of_100_megabytes_is_not_read(name: str, tmp_path: Path) -> None:
    with open(tmp_path / name, "wb") as file:
        file.truncate(100_000_000)
    opened: list[str] = []
    sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
    assert "1,000,000 bytes" in str(refused(tmp_path / name))
    assert str(tmp_path / name) not in opened


def test_a_pile_of_noise_is_refused_or_a_recipe(tmp_path: Path) -> None:
    """Changed bytes of a good file: each is refused in a sentence, or is another recipe."""
    rng = random.Random(7)
    good = {
        "r.yaml": b"steps:\n- simplify: {tolerance: 1.5}\n- select: {fields: ['a', b]}\n",
        "r.json": b'{"steps": ["make-valid", {"simplify": {"tolerance": 1.5}}]}',
        "r.toml": b"[[steps]]\nsimplify = {tolerance = 1.5}\n",
    }
    outcomes = {True: 0, False: 0}
    for name, data in good.items():
        for _ in range(150):
            changed = bytearray(data)
            for _ in range(rng.randint(1, 2)):
                at = rng.randrange(len(changed))
                changed[at : at + rng.randint(0, 3)] = rng.choice(
                    [
                        b"",
                        b"\0",
                        b"*",
                        b"&a ",
                        b"!!",
                        b"[",
                        b"{",
                        b"\xff",
                        b"\n",
                        b"- ",
                        b'"',
                        b"1e9",
                    ]
                )
            (tmp_path / name).write_bytes(changed)
            try:
                read_recipe(tmp_path / name)
                outcomes[True] += 1
            except RecipeError as error:
                assert error.code
                outcomes[False] += 1
    assert all(outcomes.values()), outcomes


# --- expressions ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "read_csv('{secret}')", "read_csv_auto('{secret}')", "read_text('{secret}')",
        "read_json('{secret}')", "glob('{folder}/*')", "COPY t TO '{out}'",
        "(COPY (SELECT 1) TO '{out}')", "ATTACH '{out}' AS a", "SET memory_limit = '1TB'",
        "PRAGMA memory_limit = '1TB'", "RESET ALL", "CALL pragma_version()",
        "current_setting('secret_directory')", "getenv('HOME')",
        "INSTALL spatial", "LOAD '{secret}'", "EXPLAIN SELECT 1",
    ],
)  # fmt: skip
def test_an_expression_reaches_no_file_and_no_setting(text: str, tmp_path: Path) -> None:
    """Through the command line, with the exit code of a wrong request."""
    secret, out = tmp_path / "secret.csv", tmp_path / "out.csv"
    secret.write_text("hunter2\n")
    with pytest.raises(ShpbatchError) as error:
        shpbatch.plan(
            SAMPLES / "soho/SohoPeople.shp",
            tmp_path / "dst",
            [("filter", {"where": text.format(secret=secret, out=out, folder=tmp_path)})],
        )
    assert error.value.code.startswith("expression-")
    assert "hunter2" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize(
    "text",
    [
        "1" + " + 1" * 2_400,
        "FID" + " + 1" * 99,
        "FID" + " + 1" * 200,
        "FID IN (" + ", ".join("1" for _ in range(3_000)) + ")",
        "(" * 101 + "1" + ")" * 101,
        "abs(" * 101 + "1" + ")" * 101,
        "CASE WHEN true THEN " * 101 + "1" + " END" * 101,
        "- " * 200 + "1",
        "x" * 10_001,
        "'" + "a" * 9_990 + "'",
        "1" * 9_999,
        "1" + "e9" * 2_000,
        " || ".join(["'a'"] * 1_500),
        " AND ".join(["true"] * 1_200),
        "\0",
        "a\0b",
        "'\x1b[2J'",
        "\u202e1",
    ],
    ids=lambda text: f"{text[:12]!r} x {len(text)}",
)
def test_a_long_or_a_deep_expression_ends(text: str) -> None:
    """Whatever it is: a value's type or an error of ours, and the process lives."""
    try:
        assert expressions.result_type(text, [])
    except ShpbatchError as error:
        assert len(str(error)) < 25_000
    assert expressions.result_type("1 + 1", []) == "int64"


def test_endless_work_in_a_run_ends_with_the_timeout(tmp_path: Path) -> None:
    shp, shx = make.shp_bytes([make.point(n, n) for n in range(20_000)])
    dbf = make.dbf_bytes(((b"S", "C", 250, 0),), [(b"a" * 250,)] * 20_000)
    make.write(tmp_path / "src", shp=shp, shx=shx, dbf=dbf)
    make.write(tmp_path / "src", "b", dbf=make.dbf_bytes(((b"S", "C", 9, 0),), [(b"b",)] * 3))
    where = "S"
    for _ in range(4):  # each makes the text nine times as long
        where = f"replace({where}, 'a', 'aaaaaaaaa')"
    chain = ["!", "filter", "--where", f"length({where}) > 1"]
    options = ["-o", tmp_path / "out", "-j", 2, "--json", "--progress", "none", "--timeout", 2]
    done = shell("run", tmp_path / "src", *options, *chain)
    told = {Path(o["sources"][0]).stem: o["status"] for o in json.loads(done.stdout)["outcomes"]}
    assert told["b"] == "done", done.stderr
    assert told["a"] in ("timeout", "failed")


# --- values and names in what is written as text ----------------------------------

EVIL = [
    b"<script>alert(1)", b"=cmd|' C'!A0", b"+1+1", b"-2+3", b"@SUM(A1)", b"\x1b[2J\x07esc",
    b"new\nline", b"cr\rline", b"tab\tbed", b"nel\xc2\x85x", b"sep\xe2\x80\xa8x",
    b"rlo\xe2\x80\xaex",
    b"bad\xff", b'"quo\'te', b"{\"a\":1}", b"%s%n", b"${HOME}",
]  # fmt: skip


def one_line_each(text: str) -> list[str]:
    """Lines of a text that nothing in it has moved, hidden or broken."""
    for char in text:
        assert char.isprintable() or char == "\n", ascii(char)
    return text.splitlines()


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """Layers whose names are evil, and so are the values and field names of each second one."""
    for number, name in enumerate(EVIL):
        stem = os.fsdecode(name)
        members = {}
        if number % 2:
            rows = make.rows_of(*(v[:20].ljust(1) for v in EVIL[:3]))
            members = {"dbf": make.dbf_bytes(((name[:10], "C", 20, 0), make.NAMES[1]), rows)}
        make.write(tmp_path / "src", stem, **members)
    return tmp_path


@POSIX
@pytest.mark.parametrize("good", [True, False])
def test_evil_names_are_told_in_one_line_each(good: bool, evil: Path) -> None:
    """In what every command prints, and every file of text that is written."""
    if not good:
        for path in (evil / "src").glob("*.shp"):
            path.write_bytes(path.read_bytes()[:150])
    src, out = evil / "src", evil / "out"
    options = ["-o", out, "-j", 2, "--log-file", evil / "talk.log"]
    more = ["--metrics-file", evil / "x.prom"]
    plan = shell("plan", src, "-o", out)
    assert len(one_line_each(plan.stdout)) == len(EVIL)
    done = shell("run", src, *options, *more)
    assert done.returncode == (0 if good else 1), done.stderr
    assert "Traceback" not in done.stderr
    one_line_each(done.stdout)
    assert len(one_line_each(done.stderr)) == (0 if good else len(EVIL))
    *failures, headline = one_line_each((evil / "talk.log").read_text())
    assert len(failures) == (0 if good else len(EVIL))
    assert f"of {len(EVIL)} files" in headline
    info = shell("info", src)
    assert sum(not li.startswith("    ") for li in one_line_each(info.stdout)) == len(EVIL)
    assert "Traceback" not in info.stderr
    assert len(
        [json.loads(li) for li in shell("info", src, "--json").stdout.split("\n")[:-1]]
    ) == len(EVIL)
    assert len(one_line_each(shell("log", out).stdout)) == len(EVIL)
    assert len(one_line_each(shell("runs", out).stdout)) == 1
    for path in (evil / "out").glob("*.dbf"):
        path.write_bytes(b"")
    assert len(one_line_each(shell("verify", out).stdout)) == (len(EVIL) if good else 0) + 1
    for command in ("log", "runs", "verify"):
        assert json.loads(shell(command, out, "--json").stdout)
    assert len(json.loads(shell("plan", src, "-o", out, "--json").stdout)["tasks"]) == len(EVIL)
    (log,) = (out / ".shpbatch/log").glob("*.jsonl")
    events = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert [e["event"] for e in events] == ["start", *["outcome"] * len(EVIL), "end"]
    assert log.read_bytes().isascii()
    for line in (evil / "x.prom").read_text().splitlines():
        assert line.startswith(("# HELP shpbatch_", "# TYPE shpbatch_", "shpbatch_"))


@POSIX
def test_outputs_whose_evil_sources_are_gone_are_told_in_one_line_each(evil: Path) -> None:
    src, out = evil / "src", evil / "out"
    assert shell("run", src, "-o", out, "-j", 2, "-q").returncode == 0
    make.write(src, "left")
    for path in src.iterdir():
        if path.stem != "left":
            path.unlink()
    done = shell("run", src, "-o", out, "-j", 2, "--json", "--log-format", "json")
    assert len(json.loads(done.stdout)["vanished"]) == len(EVIL)
    lines = one_line_each(done.stderr)
    assert sum(line.endswith(".shp") for line in lines) == len(EVIL)


@POSIX
def test_an_evil_reason_is_told_in_one_line(evil: Path) -> None:
    """What a step says of a layer, whose name is evil too."""

    def reject(gdf):  # type: ignore[no-untyped-def]
        raise ValueError("=1+1\n\x1b[2J<script>")

    report = shpbatch.run(evil / "src", evil / "out", [reject], method="inline", workers=1)
    for outcome in report.outcomes:
        assert outcome.status == "failed"
    from shpbatch.reporting.report import as_json, summary
    from shpbatch.reporting.talk import visible

    assert json.loads(json.dumps(as_json(report)))["files"]["failed"] == len(EVIL)
    text = visible(summary(report))
    assert "\x1b" not in text
    assert not any(line.startswith(("=", "\x1b", "line")) for line in text.splitlines())
