"""``python -m tests.benchmarks``: build the inputs, run everything in turn, print the table."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from . import coastlines, inputs, measure
from .table import Results, table
from .tools import Tools, find_tools, machine
from .works import VARIANTS, Work, variant, works

CACHE = Path("~/.cache/shpbatch-benchmarks")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", metavar="NAME,…", help="only these works: copy,reproject,filter,…")
    add("--without", metavar="TEXT,…", default="", help="leave out peers, such as fiona")
    add("--inputs", type=Path, default=CACHE, metavar="DIR", help=f"default: {CACHE}")
    add("--repeat", type=int, default=3, metavar="N", help="rounds; default: 3")
    add("--scale", type=float, default=1.0, help="size of the inputs; below 1 to try out")
    add("--work", type=Path, metavar="DIR", help="for outputs; default: a temporary folder")
    add("--json", type=Path, metavar="FILE", help="write every run to a file, too")
    add("--list", action="store_true", help="print the names of the works and end")
    found = parser.parse_args()
    if not 0 < found.scale <= 1 or found.repeat < 1:
        parser.error("--scale is in (0, 1], --repeat at least 1")
    return found


def main() -> int:
    """Build, run, print."""
    args = arguments()
    tools = find_tools()
    if not tools.options:
        print("shpbatch does not start: its columns stay empty", file=sys.stderr)
    root = args.inputs.expanduser().resolve() / f"v{inputs.VERSION}-scale-{args.scale:g}"
    root.mkdir(parents=True, exist_ok=True)
    folders = inputs.build(root, args.scale)
    skipped = ""
    try:
        folders["M"] = coastlines.build(root, args.scale)
    except coastlines.MissingError as error:
        skipped = f"- reproject-M: skipped; {error}"
    chosen = works(folders, tools)
    if args.list:
        print("\n".join(f"{w.name:12}  {w.title}" for w in chosen))
        return 0
    if args.only:
        names = args.only.split(",")
        unknown = set(names) - {w.name for w in chosen}
        if unknown:
            print(f"no such work: {', '.join(sorted(unknown))}", file=sys.stderr)
            return 2
        chosen = [w for w in chosen if w.name in names]
    left_out = [text for text in args.without.split(",") if text]
    chosen = [
        dataclasses.replace(
            w, peers=tuple(p for p in w.peers if not any(text in p.name for text in left_out))
        )
        for w in chosen
    ]
    about = machine()
    if args.work:
        args.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.work, prefix="shpbatch-benchmarks-") as folder:
        results = [run(w, tools, args.repeat, Path(folder)) for w in chosen]
    print("\n".join(f"- {line}" for line in about))
    small = "" if args.scale == 1 else " (the targets are meant for scale 1)"
    print(f"- medians of {args.repeat}; scale {args.scale:g}{small}; ratios are peer / us\n")
    print("\n".join(filter(None, [table(results), skipped])))
    if args.json:
        args.json.write_text(json.dumps({"machine": about, "works": raw(results)}, indent=1))
    return 0


def run(work: Work, tools: Tools, repeat: int, folder: Path) -> Results:
    """Run all commands of a work in turn, so many rounds."""
    variants = (variant(work.ours, name) for name in VARIANTS)
    commands = (work.ours, *variants, *work.peers)
    result = Results(work, failed={c.name: c.missing for c in commands if c.missing})
    measure.warm_up(work.source)
    for number in range(repeat):
        for command in commands:
            if command.name in result.failed:
                continue
            try:
                found = measure.measure(command, folder)
            except measure.FailedError as error:
                result.failed[command.name] = str(error)
                print(f"{work.name}: {command.name}: {error}", file=sys.stderr, flush=True)
                continue
            result.runs.setdefault(command.name, []).append(found)
            print(
                f"{work.name} {number + 1}/{repeat}: {command.name}: "
                f"cpu {found.cpu:.2f} s, wall {found.wall:.2f} s, {found.features} features",
                file=sys.stderr,
                flush=True,
            )
    return result


def raw(results: list[Results]) -> dict[str, object]:
    """Every run, for ``--json``."""
    return {
        r.work.name: {
            "runs": {c: [dataclasses.asdict(x) for x in runs] for c, runs in r.runs.items()},
            "failed": r.failed,
        }
        for r in results
    }


if __name__ == "__main__":
    sys.exit(main())
