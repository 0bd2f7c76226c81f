"""Progress: a bar that moves inside a file, weighted by bytes; elsewhere a line now and then."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from shpbatch.reporting import progress, talk
from shpbatch.reporting.progress import Bar, Lines, open_progress
from shpbatch.reporting.talk import print_line
from shpbatch.reporting.tally import Tally


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def bytes_done(bar: Bar) -> int:
    return int(bar._bar.n)


def wait_for(check: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not check() and time.monotonic() < end:
        time.sleep(0.005)
    return check()


# --- the bar -----------------------------------------------------------------


def test_the_bar_moves_inside_a_file_by_its_bytes() -> None:
    bar = Bar([900, 100], "x", io.StringIO())
    assert bar._bar.total == 1000
    seen = [bytes_done(bar)]
    for index, fraction in ((0, 0.1), (0, 0.5), (1, 0.5), (0, 0.9)):
        bar.moved(index, fraction)
        seen.append(bytes_done(bar))
    assert seen == [0, 90, 450, 500, 860]
    bar.finished(0)
    assert bytes_done(bar) == 950
    bar.finished(1)
    assert bytes_done(bar) == 1000
    bar.close()


def test_the_bar_never_goes_back_nor_past_its_end() -> None:
    """A retried task starts again at 0; a task may say more than 1."""
    bar = Bar([100, 100], "x", io.StringIO())
    bar.moved(0, 0.8)
    bar.moved(0, 0.1)
    assert bytes_done(bar) == 80
    bar.moved(0, 7.0)
    assert bytes_done(bar) == 100
    bar.finished(0)
    bar.finished(0)
    assert bytes_done(bar) == 100
    bar.close()


def test_fractions_add_up_to_the_total() -> None:
    bar = Bar([7, 13, 1_000_003], "x", io.StringIO())
    for index in range(3):
        for part in range(1, 333):
            bar.moved(index, part / 333)
        bar.finished(index)
    assert bytes_done(bar) == bar._bar.total == 1_000_023
    bar.close()


def test_files_without_bytes_count_too() -> None:
    bar = Bar([0, 0, 0], "x", io.StringIO())
    bar.finished(1)
    assert (bytes_done(bar), bar._bar.total) == (1, 3)
    bar.close()


def test_what_the_bar_draws() -> None:
    stream = io.StringIO()
    bar = Bar([500, 500], "parse", stream)
    bar.finished(0)
    bar.finished(1)
    bar.close()
    drawn = stream.getvalue()
    assert "parse" in drawn
    assert "2/2 files" in drawn
    assert "100%" in drawn


def test_a_line_does_not_break_the_bar() -> None:
    stream = io.StringIO()
    bar = Bar([500], "x", stream)
    bar.say("failed: a.shp")
    bar.close()
    assert "failed: a.shp\n" in stream.getvalue()


def test_the_bar_shares_no_lock_with_other_processes() -> None:
    """tqdm's own lock lies in shared memory: a killed worker that holds it hangs everybody."""
    bar = Bar([1], "x", io.StringIO())
    assert isinstance(bar._bar.get_lock(), type(threading.RLock()))
    bar.close()


# --- lines -------------------------------------------------------------------


def test_the_heartbeat_comes_from_its_own_thread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.02)
    beats: list[tuple[str, str]] = []

    def noted(text: str) -> None:
        beats.append((threading.current_thread().name, text))

    monkeypatch.setattr(talk, "print_line", noted)
    tally = Tally()
    lines = Lines(7, "parse", tally, heartbeat=True)
    assert wait_for(lambda: len(beats) >= 2)  # this thread told it nothing
    tally.incr(lambda n: n + 3)
    assert wait_for(lambda: beats[-1][1].startswith("parse: 3/7 files, "))
    lines.close()
    assert beats[0][1].startswith("parse: 0/7 files, ")
    assert threading.current_thread().name not in {name for name, _ in beats}
    time.sleep(0.1)
    count = len(beats)
    time.sleep(0.1)
    assert len(beats) == count, "the heartbeat goes on after close"


def test_no_heartbeat_where_none_is_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.01)
    before = threading.active_count()
    with open_progress("none", [1], "x", Tally()) as display:
        display.moved(0, 0.5)
        display.finished(0)
        assert threading.active_count() == before
        time.sleep(0.05)
        display.say("failed: a.shp")
    assert capsys.readouterr().err == "failed: a.shp\n"


@pytest.mark.parametrize(
    ("mode", "stream", "kind"),
    [
        ("auto", Terminal(), Bar),
        ("auto", io.StringIO(), Lines),
        ("bar", io.StringIO(), Bar),
        ("lines", Terminal(), Lines),
        ("none", Terminal(), Lines),
        ("auto", None, Lines),  # of a service
    ],
)
def test_which_display(
    monkeypatch: pytest.MonkeyPatch, mode: Any, stream: io.StringIO | None, kind: type
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with open_progress(mode, [1], "x", Tally()) as display:
        assert isinstance(display, kind)


def test_the_display_closes_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), open_progress("lines", [1], "x", Tally()):
        raise ZeroDivisionError
    assert wait_for(lambda: threading.active_count() <= before)


def test_control_characters_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("a\x1b[2J\x07\r\x9b\x7f道 é\udc80\nb")
    assert capsys.readouterr().err == "a\\x1b[2J\\x07\\r\\x9b\\x7f道 é\\udc80\nb\n"


def test_control_characters_are_shown_above_the_bar_too() -> None:
    stream = io.StringIO()
    bar = Bar([1], "x", stream)
    bar.say("failed: a\x1b[2J.shp")
    bar.close()
    assert "\x1b[2J" not in stream.getvalue()
