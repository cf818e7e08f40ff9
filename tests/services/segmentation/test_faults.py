from __future__ import annotations

import os
import signal
import subprocess

import numpy as np
import pytest

from tests.services.segmentation.conftest import lab_of
from tests.services.segmentation.jobs import finish, kill, lines_until, paint, run, start
from tests.support.platform import local_platform

ONE = {"n_jobs": 1, "save_probability": True}


@pytest.fixture(scope="module")
def large(lab):
    """Enough slices to be interrupted in the middle."""
    return paint(lab, slices=10, size=256)


@pytest.fixture(scope="module")
def undisturbed(lab, large, models):
    params = lab.params(
        large.image_path, ONE, uid_save="calm", uid_retrieve=models["random-forest"]
    )
    assert run("inference", "random-forest", params, "test") == 0
    return lab.result("calm"), lab.result("calm", "probability")


def test_a_killed_run_goes_on_where_it_stopped(lab, large, models, undisturbed):
    params = lab.params(
        large.image_path, ONE, uid_save="killed", uid_retrieve=models["random-forest"]
    )
    process = start("inference", "random-forest", params)
    lines_until(process, "progress 3/10")
    kill(process)
    assert lab.status("killed") == "running"
    code, out, err = finish(start("inference", "random-forest", params))
    assert (code, err) == (0, "")
    going_on = next(line for line in out.splitlines() if line.startswith("going on after"))
    assert int(going_on.split()[3]) >= 3
    assert "progress 1/10" not in out
    assert lab.status("killed") == "complete"
    np.testing.assert_array_equal(lab.result("killed"), undisturbed[0])
    np.testing.assert_array_equal(lab.result("killed", "probability"), undisturbed[1])


def test_threads_change_nothing(lab, large, models, undisturbed):
    params = lab.params(
        large.image_path,
        {"n_jobs": 4, "save_probability": True},
        uid_save="threads",
        uid_retrieve=models["random-forest"],
    )
    assert run("inference", "random-forest", params, "test") == 0
    np.testing.assert_array_equal(lab.result("threads"), undisturbed[0])
    np.testing.assert_array_equal(lab.result("threads", "probability"), undisturbed[1])


def test_a_complete_run_started_again_does_nothing_over(lab, models, painted, capsys):
    params = lab.params(
        painted.image_path, uid_save="twice", uid_retrieve=models["gradient-boosting"]
    )
    for _ in range(2):
        assert run("inference", "gradient-boosting", params, "test") == 0
    assert capsys.readouterr().out.count("progress") == 4
    assert lab.status("twice") == "complete"


def test_a_stopped_run_is_marked(lab, large, models):
    params = lab.params(
        large.image_path, ONE, uid_save="stopped", uid_retrieve=models["random-forest"]
    )
    process = start("inference", "random-forest", params)
    lines_until(process, "progress 2/10")
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 128 + signal.SIGTERM
    assert err == "stopped before the end\n"
    assert lab.status("stopped") == "failed"


@pytest.fixture
def own(tmp_path):
    """A Tiled of its own, to be broken, with an image, its mask and a model."""
    with local_platform(tmp_path / "p", ["tiled"]) as platform:
        lab = lab_of(platform, tmp_path / "lab")
        yield platform, lab, paint(lab, slices=10, size=256)


def trained(lab, painted):
    params = lab.params(
        painted.image_path, uid_save="model", mask_tiled_uri=lab.uri(painted.mask_path)
    )
    assert run("train", "random-forest", params, "test") == 0
    return lab.params(painted.image_path, ONE, uid_save="run", uid_retrieve="model")


def test_tiled_killed_in_the_middle_is_waited_for(own):
    platform, lab, painted = own
    params = trained(lab, painted)
    process = start("inference", "random-forest", params, TOMOBEAM_TILED_PATIENCE_S="200")
    lines_until(process, "progress 2/10")
    platform.kill("tiled")
    said = [line for line in lines_until_away(process) if "Tiled does not answer" in line]
    platform.start("tiled")
    code, _, err = finish(process)
    assert (code, err) == (0, "")
    assert said
    assert lab.status("run") == "complete"
    calm = lab.params(painted.image_path, ONE, uid_save="calm", uid_retrieve="model")
    assert run("inference", "random-forest", calm, "test") == 0
    np.testing.assert_array_equal(lab.result("run"), lab.result("calm"))

    # And where it stays away, the job says so and can be taken up later.
    params = lab.params(painted.image_path, ONE, uid_save="later", uid_retrieve="model")
    process = start("inference", "random-forest", params, TOMOBEAM_TILED_PATIENCE_S="2")
    lines_until(process, "progress 2/10")
    platform.kill("tiled")
    code, _, err = finish(process)
    assert code == 1
    assert err.count("\n") == 1
    assert "gave up after" in err
    platform.start("tiled")
    assert lab.status("later") == "running"
    assert run("inference", "random-forest", params, "test") == 0
    assert lab.status("later") == "complete"


def lines_until_away(process):
    return lines_until_contains(process, "Tiled does not answer")


def lines_until_contains(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"no line with {text!r}; {process.communicate()[1]}")


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 3 MB."""
    if os.geteuid() != 0:
        pytest.skip("a full disk: needs root to mount a small tmpfs")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a full disk: this machine does not let root mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_fails_clearly_and_shows_nothing(tmp_path, small_disk):
    def onto_it(site):
        roots = site.data.model_copy(update={"writable": small_disk / "writable"})
        return site.model_copy(update={"data": roots})

    with local_platform(tmp_path / "p", ["tiled"], onto_it) as platform:
        lab = lab_of(platform, tmp_path / "lab")
        painted = paint(lab, slices=4, size=128)
        params = trained(lab, painted)
        left = os.statvfs(small_disk)
        (small_disk / "ballast").write_bytes(bytes((left.f_bavail - 12) * left.f_frsize))
        process = start("inference", "random-forest", params)
        code, _, err = finish(process)
        assert code == 1
        assert "its disk may be full" in err
        assert err.count("\n") == 1
        assert lab.status("run") != "complete"
        (small_disk / "ballast").unlink()
        assert run("inference", "random-forest", params, "test") == 0
        assert lab.status("run") == "complete"
