"""What the build promises, with an image of one small file."""

from __future__ import annotations

import json
import os
import re
import tarfile
from pathlib import Path

import pytest

from tests.services.images.own_podman import PODMAN, run
from tests.services.images.tiny import ANOTHER, CONTAINERFILE, Tiny, image_id
from tomobeam_deploy.debian import VARIABLE, NoSourcesError, sources_file
from tomobeam_deploy.images.build import KEPT
from tomobeam_deploy.images.model import INPUTS_LABEL, version
from tomobeam_deploy.images.runtime import ContainersError, image, labels, names_of


def test_it_is_built_once_and_bears_all_its_names(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tiny.build("hello")
    assert f"building {first} …" in capsys.readouterr().err
    assert tiny.build("hello") == first
    assert capsys.readouterr().err == ""
    assert image_id(f"{ANOTHER}:v1") == image_id(f"{tiny.image.repository}:{version()}")
    second = tiny.build("hello, you")
    assert second != first
    assert image_id(f"{ANOTHER}:v1") == image_id(second) != image_id(first)
    # Back to what there was: nothing is built, and the names mean it again.
    capsys.readouterr()
    assert tiny.build("hello") == first
    assert capsys.readouterr().err == ""
    assert image_id(f"{ANOTHER}:v1") == image_id(first)


def test_it_says_what_it_is_made_from(tiny: Tiny) -> None:
    name = tiny.build("hello")
    there = image(PODMAN, name)
    assert there is not None
    told = labels(there)
    assert told["org.opencontainers.image.version"] == version()
    assert re.fullmatch("([0-9a-f]{40}(-changed)?)?", told["org.opencontainers.image.revision"])
    assert told["org.opencontainers.image.source"] == tiny.image.folder
    assert name.endswith(f"-{told[INPUTS_LABEL]}")


def test_one_layer_comes_upon_what_all_share(tiny: Tiny, common: str) -> None:
    below, built = image(PODMAN, common), image(PODMAN, tiny.build("hello"))
    assert below is not None
    assert built is not None
    assert built["RootFS"]["Layers"][:-1] == below["RootFS"]["Layers"]


def test_the_last_builds_stay_and_what_runs(tiny: Tiny) -> None:
    names = [tiny.build("one")]
    run("create", f"--name=keeps-{os.getpid()}", names[0], "true")
    names += [tiny.build(greeting) for greeting in ("two", "three", "four")]
    there = set(names_of(PODMAN, tiny.image.repository))
    assert there & set(names) == {names[0], *names[-KEPT:]}
    assert image_id(f"{ANOTHER}:v1") == image_id(names[-1])


def test_the_mirror_is_there_for_the_build_only(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        sources = sources_file().read_text()
    except NoSourcesError as error:
        pytest.skip(str(error))
    secret = tmp_path / "secret.sources"
    secret.write_text(f"# the login is mirror:password\n{sources}")
    monkeypatch.setenv(VARIABLE, str(secret))
    (tiny.folder / "Containerfile").write_text(
        CONTAINERFILE + "USER 0:0\n"
        "RUN --mount=type=secret,id=apt-sources --mount=type=secret,id=apt-certificates "
        "install-packages netbase\n"
    )
    name = tiny.build("hello")
    archive = tmp_path / "image.tar"
    run("save", "--quiet", f"--output={archive}", name)
    content = archive.read_bytes()
    assert b"etc/protocols" in content
    assert b"mirror:password" not in content
    with tarfile.open(archive) as tar:
        (listed,) = json.load(tar.extractfile("manifest.json") or pytest.fail("no manifest"))
        told = json.load(tar.extractfile(listed["Config"]) or pytest.fail("no configuration"))
    history = json.dumps(told["history"])
    assert "install-packages" in history
    assert str(secret) not in history


def test_a_step_that_fails_is_shown(tiny: Tiny) -> None:
    (tiny.folder / "Containerfile").write_text(f"{CONTAINERFILE}RUN echo no disk left && exit 3\n")
    with pytest.raises(ContainersError, match=r"(?s)^podman build: .*no disk left.*exit status 3"):
        tiny.build("hello")
