"""What hosts do with images of jobs, at the socket of a podman: the program itself, as root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services.images.own_podman import run
from tests.services.images.tiny import Tiny
from tests.support.containers import Podman, missing, podman
from tests.unit.hosts.program import apply, compare, fault, needs_root
from tomobeam_deploy.hosts.brought import ContainerImage, FetchedImage
from tomobeam_deploy.images.model import INPUTS_LABEL

pytestmark = needs_root

NAME = f"localhost/tomobeam-sent-{os.getpid()}:v1"


@pytest.fixture(scope="module")
def host() -> Iterator[Podman]:
    """The podman of a host."""
    if why := missing():
        pytest.skip(why)
    with podman({}) as running:
        yield running


def sent(host: Podman, tiny: Tiny, greeting: str) -> tuple[ContainerImage, str]:
    """An image that holds a greeting, and its archive, which goes when it is read."""
    full = tiny.build(greeting)
    archive = tiny.folder / f"{greeting}.tar"
    run("tag", full, NAME)
    run("save", "--quiet", f"--output={archive}", NAME)
    inputs = full.rpartition("-")[2]
    image = ContainerImage(
        str(host.socket), str(host.folder), (NAME,), INPUTS_LABEL, lambda: inputs, lambda: archive
    )
    return image, str(archive)


def test_an_image_is_sent_once_and_replaced_by_its_next_build(host: Podman, tiny: Tiny) -> None:
    first, archive = sent(host, tiny, "one")
    before = len(host.run("images", "--all", "--quiet").split())
    assert compare(first) == {first.title: [f"{NAME} is not there"]}
    assert apply(first, **{first.title: archive}) == [first.title]
    assert not Path(archive).exists()
    assert compare(first) == {}

    second, archive = sent(host, tiny, "two")
    said = f"{NAME} was built from {first.inputs()}, not {second.inputs()}"
    assert compare(second) == {second.title: [said]}
    apply(second, **{second.title: archive})
    assert compare(second) == {}
    assert len(host.run("images", "--all", "--quiet").split()) == before + 1


def test_what_is_no_image_is_said(host: Podman, tiny: Tiny, tmp_path: Path) -> None:
    image, _ = sent(host, tiny, "three")
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"no image" * 200)
    said = fault("apply", image, **{image.title: str(broken)})
    assert said.splitlines()[1].startswith(f"{image.title}: is not unpacked: ")


def test_a_disk_without_room_is_said_before_anything_is_loaded(host: Podman, tiny: Tiny) -> None:
    image, archive = sent(host, tiny, "four")
    small = tiny.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        full = replace(image, storage=str(small))
        said = fault("apply", full, **{image.title: archive})
    finally:
        subprocess.run(["umount", small], check=True)
    assert f"MiB, but the disk of {small} has 1 MiB free; make room there" in said


def test_a_podman_that_is_away_has_no_image_and_says_so_when_it_is_to_get_one(
    host: Podman, tiny: Tiny
) -> None:
    image, archive = sent(host, tiny, "five")
    away = replace(image, socket=str(tiny.folder / "podman.sock"))
    assert compare(away) == {image.title: [f"{NAME} is not there"]}
    assert "unable to connect to Podman socket" in fault("apply", away, **{image.title: archive})


def test_a_registry_that_is_away_is_said(host: Podman) -> None:
    published = "localhost:1/tomobeam/segmentation:0.1.0"
    image = FetchedImage(str(host.socket), (NAME,), published)
    assert compare(image) == {image.title: [f"{published} is not there"]}
    assert "podman pull: " in fault("apply", image)


def test_what_was_fetched_under_its_name_gets_the_registrys(host: Podman) -> None:
    there = host.run("images", "--format", "{{.Repository}}:{{.Tag}}").split()[0]
    other = f"localhost/tomobeam-other-{os.getpid()}:v1"
    image = FetchedImage(str(host.socket), (other,), there)
    assert compare(image) == {image.title: [f"{other} is not {there}"]}
    apply(image)
    assert compare(image) == {}
