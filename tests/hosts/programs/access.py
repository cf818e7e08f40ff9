"""Runs on a host as root: what accounts may do with paths.

Argument: JSON [[account, flag of test(1), path], ...]. Prints JSON: for each whether it may.
"""

import json
import subprocess
import sys


def may(account: str, flag: str, path: str) -> bool:
    command = ["runuser", "-u", account, "--", "test", f"-{flag}", path]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    print(json.dumps([may(*trial) for trial in json.loads(sys.argv[1])]))
