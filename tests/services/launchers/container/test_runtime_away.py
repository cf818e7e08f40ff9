"""Jobs in containers while the runtime is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.services.launchers.container.tried import Tried
from tests.support.waiting import wait_for
from tomobeam_flows.launchers import CannotLaunch, Exit


class TestRuntimeAway:
    """The socket is gone: before, during and after a job."""

    @pytest.fixture(autouse=True)
    def _bring_it_back(self, tried: Tried) -> Iterator[None]:
        yield
        if not tried.podman.socket.exists():
            tried.podman.start()
        wait_for(lambda: tried.podman.names() == [], "no container to be left", 20)

    def test_before(self, tried: Tried) -> None:
        tried.podman.stop()
        launcher = tried.launcher()
        assert launcher.recover() == []
        with pytest.raises(
            CannotLaunch, match=r"^podman does not answer at .*podman\.sock: No such"
        ):
            launcher.prepare(tried.request("look"))

    def test_back_soon_enough(self, tried: Tried) -> None:
        async def run() -> tuple[list[str], Exit]:
            job = await tried.start(launcher, request)
            lines: list[str] = []
            async for line in job.lines():
                lines.append(line)
                if line == "still here 5":
                    await asyncio.to_thread(tried.podman.stop)
                    await asyncio.sleep(1)
                    await asyncio.to_thread(tried.podman.start)
                if line == "still here 20":
                    job.cancel()
            return lines, await job.wait()

        launcher, request = tried.launcher(), tried.request("work", "deaf")
        lines, ended = asyncio.run(run())
        launcher.clean_up(tried.folder / "state/podman-jobs" / request.job_id)
        assert lines[:21] == ["at work", *(f"still here {i}" for i in range(1, 21))]
        assert ended.code == 137

    def test_for_long(self, tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tomobeam_flows.launchers.container_job.PATIENCE_S", 1.0)

        async def run() -> Exit:
            job = await tried.start(launcher, request)
            async for line in job.lines():
                if line == "at work":
                    await asyncio.to_thread(tried.podman.stop)
            return await job.wait()

        launcher, request = tried.launcher(), tried.request("work", "deaf")
        ended = asyncio.run(run())
        launcher.clean_up(tried.folder / "state/podman-jobs" / request.job_id)
        assert not ended.ok
        assert "went away while the job ran" in ended.reason
        # The container lives on, and is ended by the launcher once the socket is back.
        assert tried.podman.names() == [f"tomobeam-{request.job_id}"]
