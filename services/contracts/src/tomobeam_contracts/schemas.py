"""`python -m tomobeam_contracts.schemas FOLDER [--check]`: the wires as JSON Schemas."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tomobeam_contracts.flow import LaunchParameters
from tomobeam_contracts.job import JobFile
from tomobeam_contracts.registry import Registry
from tomobeam_contracts.scan import ScanReady
from tomobeam_contracts.tree import MaskMetadata, ReconMetadata, ResultMetadata
from tomobeam_contracts.wire import Wire

WIRES: dict[str, type[Wire]] = {
    "1-scan-ready": ScanReady,
    "2-recon-metadata": ReconMetadata,
    "2-mask-metadata": MaskMetadata,
    "2-result-metadata": ResultMetadata,
    "3-launch-parameters": LaunchParameters,
    "4-job-file": JobFile,
    "5-registry": Registry,
}


def schema_text(wire: type[Wire]) -> str:
    """The schema of one wire, as its file holds it."""
    return json.dumps(wire.model_json_schema(by_alias=True), indent=2, ensure_ascii=False) + "\n"


def drifted(folder: Path) -> list[str]:
    """The names of files that differ from the models, are missing, or have no model."""
    wanted = {f"{name}.json": schema_text(wire) for name, wire in WIRES.items()}
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted | found if wanted.get(name) != found.get(name))


def main() -> int:
    """Write the schemas, or with --check fail if they are not as the models say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        wrong = drifted(arguments.folder)
        for name in wrong:
            sys.stderr.write(f"{arguments.folder / name}: not as the models say; make reference\n")
        return 1 if wrong else 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, wire in WIRES.items():
        (arguments.folder / f"{name}.json").write_text(schema_text(wire), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
