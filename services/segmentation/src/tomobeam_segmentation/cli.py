"""`tomobeam-segment`: the commands that the registry lists and the worker runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

STEPS = ("train", "inference")
ALGORITHMS = ("random-forest", "gradient-boosting")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one step, or print the registry; exits 0, 1 (failed) or 2 (wrong input).

    Imports nothing heavy before its first line: whoever clicked sees at once that it started.
    """
    arguments = _parser().parse_args(argv)
    if arguments.command == "registry":
        sys.stdout.write(Path(__file__).with_name("registry.json").read_text(encoding="utf-8"))
        return
    code_version = version("tomobeam-segmentation")
    line = f"tomobeam-segment {code_version}: {arguments.command} {arguments.algorithm}: starting"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

    from tomobeam_segmentation.job import run

    code = run(arguments.command, arguments.algorithm, arguments.params, code_version)
    if code:
        # Other threads may be in the middle of a slice, or waiting for Tiled; nobody needs them.
        os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tomobeam-segment", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for step in STEPS:
        words = {
            "train": "fit a classifier to the painted pixels and keep it under uid_save",
            "inference": "segment an image with the model uid_retrieve into Tiled",
        }[step]
        command = commands.add_parser(step, help=words, description=words)
        command.add_argument("algorithm", choices=ALGORITHMS)
        command.add_argument("params", type=Path, help="the job's params.yaml")
    commands.add_parser("registry", help="print the registry of these algorithms (JSON)")
    return parser
