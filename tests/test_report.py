"""What a run says at its end: exit code, account, one JSON object."""

from __future__ import annotations

import json

import pytest

from shpbatch.models import Features, Outcome, Report, Sink
from shpbatch.reporting.report import as_json, exit_code, files, json_text, summary

#: design.md, section 9, and the log that every run has.
KEYS = {
    "schema", "run_id", "status", "exit_code", "seconds", "files", "features", "outcomes", "log",
    "vanished", "pruned", "kept", "ignored", "recovered",
}  # fmt: skip
FILES = {"total", "done", "failed", "skipped"}
FEATURES = {
    "declared", "read", "written", "filtered", "rejected", "created", "merged", "deleted",
    "unreadable",
}  # fmt: skip
OUTCOME = {"sources", "sinks", "status", "code", "reason", "features", "seconds"}

DONE = Outcome(
    ("a.shp",),
    "done",
    sinks=(Sink("out/a.shp", 7),),
    features=Features(declared=11, read=10, written=7, filtered=3, deleted=1),
)
MADE = Outcome(
    ("b.shp",),
    "done",
    sinks=(Sink("out/b.shp", 1_200),),
    features=Features(
        declared=1_000, read=1_000, created=250, written=1_200, rejected=10, merged=40
    ),
    notes=("something odd",),
)
SKIPPED = Outcome(("c.shp",), "skipped", code="exists", reason="c.shp: there")


def failed(status: str = "failed", code: str = "bad-magic", name: str = "x.shp") -> Outcome:
    return Outcome((name,), status, code=code, reason=f"{name}: why")  # type: ignore[arg-type]


def report(*outcomes: Outcome, stopped: str | None = None, **more: object) -> Report:
    return Report("r1", outcomes, 1.23456, stopped=stopped, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "code", "status"),
    [
        (report(), 0, "done"),
        (report(DONE), 0, "done"),
        (report(DONE, SKIPPED), 0, "done"),
        (report(SKIPPED), 0, "done"),
        (report(DONE, failed()), 1, "failed"),
        (report(DONE, failed("crashed")), 1, "failed"),
        (report(DONE, failed("timeout")), 1, "failed"),
        (report(DONE, failed(), SKIPPED, stopped="max-failures"), 3, "stopped"),
        (report(DONE, SKIPPED, stopped="SIGINT"), 130, "interrupted"),
        (report(DONE, failed(), stopped="SIGTERM"), 143, "interrupted"),
    ],
)
def test_exit_codes(found: Report, code: int, status: str) -> None:
    assert exit_code(found) == code
    assert (as_json(found)["exit_code"], as_json(found)["status"]) == (code, status)


def test_crashed_and_timed_out_files_are_failed() -> None:
    found = report(DONE, failed(), failed("crashed"), failed("timeout"), SKIPPED)
    assert files(found) == {"total": 5, "done": 1, "failed": 3, "skipped": 1}


def test_the_object_has_exactly_the_keys_of_the_design() -> None:
    record = as_json(report(DONE, MADE, failed(), SKIPPED, log="out/run.jsonl"))
    assert set(record) == KEYS
    assert set(record["files"]) == FILES
    assert set(record["features"]) == FEATURES
    for outcome in record["outcomes"]:
        assert set(outcome) - {"notes", "operations", "attempts", "why"} == OUTCOME
        assert set(outcome["features"]) == FEATURES
        assert all(set(sink) == {"path", "features"} for sink in outcome["sinks"])
    assert record == json.loads(json.dumps(record))
    assert (record["schema"], record["run_id"], record["seconds"]) == (1, "r1", 1.235)
    assert record["log"] == "out/run.jsonl"


def test_the_text_of_the_object_is_the_object() -> None:
    for outcomes in ((), (DONE,), (MADE, DONE, failed())):
        found = report(*outcomes, log="run.jsonl")
        text = "".join(json_text(found))
        assert json.loads(text) == as_json(found)
        assert text.endswith("}\n")
        assert text.count("\n") == 1


def test_outcomes_stay_in_order_and_add_up() -> None:
    record = as_json(report(failed(name="z.shp"), DONE, MADE))
    assert [o["sources"] for o in record["outcomes"]] == [["z.shp"], ["a.shp"], ["b.shp"]]
    total = record["features"]
    assert total == {k: sum(o["features"][k] for o in record["outcomes"]) for k in total}
    assert (total["declared"], total["written"], total["deleted"]) == (1011, 1207, 1)


@pytest.mark.parametrize(
    ("features", "balances"),
    [
        (Features(), True),
        (DONE.features, True),
        (MADE.features, True),
        (Features(declared=3, read=2, written=2), False),
        (Features(declared=3, read=2, written=2, deleted=1), True),
        (Features(declared=3, read=2, written=2, unreadable=1), True),
        (Features(declared=2, read=2, written=3), False),
        (Features(declared=2, read=2, written=3, created=1), True),
        (Features(declared=2, read=2, written=1, rejected=1, merged=1), False),
    ],
)
def test_the_account_balances(features: Features, balances: bool) -> None:
    assert features.balances() is balances


@pytest.mark.parametrize(
    ("outcomes", "line"),
    [
        ((), "features: 0 read = 0 written"),
        ((DONE,), "features: 10 read = 7 written + 3 filtered (1 flagged as deleted)"),
        (
            (MADE,),
            "features: 1,000 read + 250 created = 1,200 written + 10 rejected + 40 merged",
        ),
    ],
)
def test_the_account_line(outcomes: tuple[Outcome, ...], line: str) -> None:
    assert line in summary(report(DONE if not outcomes else outcomes[0])).splitlines() or (
        not outcomes and line in summary(report()).splitlines()
    )


def test_a_summary_in_full() -> None:
    text = summary(
        report(DONE, failed(), MADE, stopped="max-failures", log="out/run.jsonl", dst="out")
    )
    assert text.splitlines() == [
        "2 done, 1 failed, 0 skipped of 3 files in 1.2 s -> out",
        (
            "features: 1,010 read + 250 created = 1,207 written + 3 filtered + 10 rejected"
            " + 40 merged (1 flagged as deleted)"
        ),
        "stopped early: max-failures",
        "failed:",
        "  x.shp: why [bad-magic]",
        "notes:",
        "  b.shp: something odd",
        "log: out/run.jsonl",
    ]


def test_many_failures_of_one_cause_are_a_few_lines() -> None:
    alike = [failed(name=f"{i:05}.shp") for i in range(5_000)]
    lines = summary(report(*alike, failed(code="other", name="y.shp"))).splitlines()
    at = lines.index("failed:")
    assert lines[at + 1 :] == [
        "  00000.shp: why [bad-magic]",
        "  00001.shp: why [bad-magic]",
        "  00002.shp: why [bad-magic]",
        "  … and 4,997 more [bad-magic]",
        "  y.shp: why [other]",
    ]


def test_what_was_skipped_is_told_unless_it_is_done_or_was_not_begun() -> None:
    crs = Outcome(("d.shp",), "skipped", code="crs-missing", reason="d.shp: no CRS")
    quiet = [Outcome((c,), "skipped", code=c, reason=c) for c in ("up-to-date", "not-run")]
    lines = summary(report(DONE, SKIPPED, crs, *quiet)).splitlines()
    at = lines.index("skipped:")
    assert lines[at + 1 :] == ["  c.shp: there [exists]", "  d.shp: no CRS [crs-missing]"]
    assert "skipped:" not in summary(report(DONE, *quiet)).splitlines()


def test_many_notes_are_cut_and_counted() -> None:
    noted = [Outcome((f"{i}.shp",), "done", notes=(f"n{i}",)) for i in range(50)]
    lines = summary(report(*noted)).splitlines()
    assert lines[-1] == "  … and 30 more in the log"
    assert len(lines) == 2 + 1 + 20 + 1


def test_one_note_of_many_files_is_one_line() -> None:
    noted = [Outcome((f"{i}.shp",), "done", notes=("n", f"m{i % 2}")) for i in range(50)]
    lines = summary(report(*noted)).splitlines()
    assert lines[-3:] == [
        "  0.shp and 49 more: n",
        "  0.shp and 24 more: m0",
        "  1.shp and 24 more: m1",
    ]


def test_a_failure_without_a_reason_is_still_named() -> None:
    assert "  x.shp [None]" in summary(report(Outcome(("x.shp",), "crashed"))).splitlines()
