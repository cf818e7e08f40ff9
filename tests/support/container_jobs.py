"""Job programs for the tests' image; it holds Python and nothing else."""

from __future__ import annotations

# Tells what it sees, and writes into the folder of models that its parameters name.
LOOK = """
import json, os, pathlib, re, stat, sys
path = pathlib.Path(sys.argv[-1])
text = path.read_text()
def tries(name):
    try:
        open(name, "a").close()
    except OSError as error:
        return error.strerror
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
models = re.search("models_dir: '?([^'\\n]*)", text)[1]
report = {
    "argv": sys.argv[1:], "text": text, "cwd": os.getcwd(), "environment": dict(os.environ),
    "mode": stat.S_IMODE(path.stat().st_mode), "capabilities": status["CapEff"].strip(),
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "writes": {name: tries(name) for name in (
        str(path), "/app/bin/look", "/app/work/x", "/tmp/x", "/dev/shm/x", models + "/x")},
    "mounts": sorted(os.listdir("/data")) if os.path.isdir("/data") else None,
}
print(json.dumps(report), flush=True)
print("my key is " + re.search("data_tiled_api_key: '?([^'\\n]*)", text)[1], file=sys.stderr)
for i in range(4):
    print(f"progress {i + 1}/4 slices done", flush=True)
"""

# Works for ever; deaf to SIGTERM, or with a child, where its arguments say so.
WORK = """
import os, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if os.fork():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("at work", flush=True)
count = 0
while True:
    time.sleep(0.2)
    count += 1
    print(f"still here {count}", flush=True)
"""

FAIL = """
import sys
print("reading the mask")
print("ValueError: the mask is empty", file=sys.stderr)
sys.exit(3)
"""

EAT = """
import time
print("eating", flush=True)
time.sleep(0.3)
eaten = []
while True:
    eaten.append(bytearray(1 << 20))
"""

SILENT = "raise SystemExit"

FLOOD = """
for i in range(200_000):
    print(f"line {i:06}")
"""

# Two seconds on the GPU that it was given.
GPU = """
import os, time
print("on", os.environ.get("TOMOBEAM_TRIED_GPU"), time.time(), flush=True)
time.sleep(1.5)
print("off", time.time(), flush=True)
"""

PROGRAMS = {
    "look": LOOK,
    "work": WORK,
    "fail": FAIL,
    "eat": EAT,
    "silent": SILENT,
    "flood": FLOOD,
    "gpu": GPU,
}
