"""Small real job programs and their registry, written by the tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path

# Tells what it got, in a file below the folder of models that its parameters name.
TELL = """
import json, os, pathlib, re, stat, sys
print("first line of " + sys.argv[1], flush=True)
path = pathlib.Path(sys.argv[-1])
text = path.read_text()
def field(name):
    found = re.search("^  " + name + ": '?([^'\\n]*)", text, re.M)
    return found and found[1]
report = {
    "argv": sys.argv, "text": text, "environment": dict(os.environ), "cwd": os.getcwd(),
    "mode": stat.S_IMODE(path.stat().st_mode),
    "folder_mode": stat.S_IMODE(path.parent.stat().st_mode),
}
models = pathlib.Path(field("models_dir"))
models.mkdir(exist_ok=True)
(models / (field("uid_save") + ".json")).write_text(json.dumps(report))
print("my key is " + field("data_tiled_api_key"))
for i in range(4):
    print(f"progress {i + 1}/4 slices done", flush=True)
"""

# Starts a child that leaves the session and one that stays, then works for ever.
WORK = """
import signal, subprocess, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
stay = subprocess.Popen(["sleep", "3600"])
away = subprocess.Popen(["sleep", "3600"], start_new_session=True, stdout=subprocess.DEVNULL)
print(f"pids {stay.pid} {away.pid}", flush=True)
count = 0
while True:
    time.sleep(0.5)
    count += 1
    print(f"still here {count}", flush=True)
"""

FAIL = """
import os, signal, sys
print("reading the mask")
if sys.argv[1] == "killed":
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
print("ValueError: the mask is empty", file=sys.stderr)
sys.exit(3)
"""

# Takes as long as the parameter says, and says its own name in every line.
COUNT = """
import re, sys, time
text = open(sys.argv[-1]).read()
seconds = int(re.search("seconds: ([0-9]+)", text)[1])
image = re.search("data_tiled_uri: .*/([a-z]+)", text)[1]
for i in range(seconds * 5):
    print(f"line {i} of {image}", flush=True)
    time.sleep(0.2)
"""

PROGRAMS = {"tell": TELL, "work": WORK, "fail": FAIL, "count": COUNT}


def write_programs(folder: Path) -> None:
    """Write the job programs as executables."""
    folder.mkdir(parents=True)
    for name, text in PROGRAMS.items():
        path = folder / name
        path.write_text(f"#!{sys.executable} -IS\n{text}")
        path.chmod(0o755)


def _algorithm(name: str, train: str, inference: str) -> dict[str, object]:
    seconds = {"type": "int", "name": "seconds", "title": "Seconds", "param_key": "seconds"}
    return {
        "model_name": name,
        "version": "1.0",
        "type": "test",
        "owner": "tests",
        "image_name": f"registry.example/{name}",
        "image_tag": "v1",
        "is_gpu_enabled": False,
        "application": ["segmentation"],
        "description": "a job of the tests",
        "python_file_name": {"train": train, "inference": inference},
        "gui_parameters": [seconds | {"value": 1, "min": 1, "max": 600}],
    }


def write_registry(path: Path) -> None:
    """Write the registry of the job programs."""
    algorithms = [
        _algorithm("teller", "tell train", "tell inference"),
        _algorithm("worker", "work", "work deaf"),
        _algorithm("failing", "fail", "fail killed"),
        _algorithm("counting", "count", "count inference"),
        _algorithm("absent", "not-installed", "not-installed"),
    ]
    path.write_text(json.dumps({"contents": algorithms}))
