"""`python -m tests.benchmarks [NAME…]`: every benchmark, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PREFIX = "bench: "
# Want a lab that is up, and are run only where they are named.
ON_A_LAB = ("deploy",)


def main() -> int:
    """Run the benchmarks and repeat their ratios at the end; exit code 1 if one failed."""
    known = sorted(p.stem.removeprefix("bench_") for p in HERE.glob("bench_*.py"))
    chosen = sys.argv[1:] or [name for name in known if name not in ON_A_LAB]
    ratios: list[str] = []
    failed: list[str] = []
    for name in chosen:
        sys.stdout.write(f"--- {name}\n")
        sys.stdout.flush()
        module = f"tests.benchmarks.bench_{name}"
        with subprocess.Popen(
            [sys.executable, "-m", module], stdout=subprocess.PIPE, text=True, bufsize=1
        ) as run:
            for line in run.stdout or ():
                sys.stdout.write(line)
                sys.stdout.flush()
                if line.startswith(PREFIX):
                    ratios.append(line.removeprefix(PREFIX).rstrip())
        if run.returncode:
            failed.append(name)
    sys.stdout.write("\n".join(["--- ratios", *ratios, ""]))
    for name in failed:
        sys.stdout.write(f"failed: {name}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
