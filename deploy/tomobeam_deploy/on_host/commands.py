"""States that only commands know."""

from __future__ import annotations

from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import LINES, Fault, run


class Command(Resource):
    """A state; `check` exits 0 where all is well, and what it prints otherwise is the difference.

    Both are shell, and read `stdin`.
    """

    check: str
    apply: str
    user: str
    stdin: str

    def differences(self) -> list[str]:
        """What its check prints, where that fails."""
        try:
            done = run("sh", "-c", self.check, stdin=self.stdin, user=self.user, check=False)
        except KeyError:
            return [f"there is no account {self.user}"]
        if done.returncode == 0:
            return []
        lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
        return lines[:LINES] or ["is not so"]

    def put_right(self) -> None:
        """Run it; its check must agree afterwards."""
        try:
            run("sh", "-c", self.apply, stdin=self.stdin, user=self.user)
        except KeyError:
            raise Fault(f"there is no account {self.user}") from None
        if left := self.differences():
            raise Fault(f"still: {'; '.join(left)}")
