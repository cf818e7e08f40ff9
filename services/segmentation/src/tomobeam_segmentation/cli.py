"""The commands that the registry lists and the worker runs; `tomobeam-segment` is the first."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tomobeam_segmentation.algorithms import Algorithms
from tomobeam_segmentation.pixels import PIXELS

if TYPE_CHECKING:
    # pydantic would come with it, before the first line.
    from tomobeam_contracts.flow import TaskName

STEPS: dict[TaskName, str] = {
    "train": "learn from the painted pixels and keep the model under uid_save",
    "inference": "segment an image with the model uid_retrieve into Tiled",
}


def main(argv: Sequence[str] | None = None) -> None:
    """`tomobeam-segment`, with the pixel classifiers."""
    program(PIXELS, argv)


def program(algorithms: Algorithms, argv: Sequence[str] | None = None) -> None:
    """Run one step, or print the registry; exits 0, 1 (failed) or 2 (wrong input).

    Imports nothing heavy before its first line: whoever clicked sees at once that it started.
    """
    arguments = _parser(algorithms).parse_args(argv)
    if arguments.command == "registry":
        sys.stdout.write(algorithms.registry.read_text(encoding="utf-8"))
        return
    step, algorithm = arguments.command, arguments.algorithm
    code_version = version(algorithms.distribution)
    line = f"{algorithms.program} {code_version}: {step} {algorithm}: starting"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

    from tomobeam_segmentation.job import run

    code = run(algorithms, step, algorithm, arguments.params, code_version)
    if code:
        # Other threads may be in the middle of a slice, or waiting for Tiled; nobody needs them.
        os._exit(code)


def _parser(algorithms: Algorithms) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=algorithms.program)
    commands = parser.add_subparsers(dest="command", required=True)
    for step, words in STEPS.items():
        command = commands.add_parser(step, help=words, description=words)
        command.add_argument("algorithm", choices=algorithms.names)
        command.add_argument("params", type=Path, help="the job's params.yaml")
    commands.add_parser("registry", help="print the registry of these algorithms (JSON)")
    return parser
