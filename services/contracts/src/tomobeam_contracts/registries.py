"""`python -m tomobeam_contracts.registries FILE…`: one registry with the algorithms of several."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from tomobeam_contracts.registry import Registry, RegistryError


def join(files: Iterable[Path]) -> Registry:
    """The algorithms of all files, in their order.

    Raises:
        RegistryError: a file cannot be read, or two have an algorithm of the same name.
    """
    found = [(file, algorithm) for file in files for algorithm in Registry.read(file).contents]
    of = {}
    for file, algorithm in found:
        name = algorithm.model_name
        if name in of:
            raise RegistryError(f"{file}: model_name {name!r} is in {of[name]} already")
        of[name] = file
    return Registry(contents=[algorithm for _, algorithm in found])


def main() -> None:
    """Print the registry of the files that the arguments name."""
    try:
        joined = join(map(Path, sys.argv[1:]))
    except RegistryError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(joined.to_wire(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
