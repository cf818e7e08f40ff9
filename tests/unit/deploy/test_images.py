"""Images: what decides their tags, what a site has of them, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.support.platform import REPOSITORY, make_site
from tests.support.workspace import make_workspace, write_lock
from tomobeam_contracts.registry import Registry
from tomobeam_deploy.images.build import chosen_images, containers_of, ensure_images
from tomobeam_deploy.images.model import JOBS, Image, common_image, images_of, version
from tomobeam_deploy.images.runtime import ContainersError
from tomobeam_deploy.releases.release import inputs_of
from tomobeam_deploy.site import Accounts, Broker, Containers, Database, Runtime, Site, SiteError

CONTAINERS = Containers()
EVERY_ALGORITHM = REPOSITORY / "services/registry.json"
EVERYTHING = (
    {"broker": Broker.EMBEDDED, "containers": CONTAINERS},
    {"broker": Broker.ACTIVEMQ, "containers": Containers(database=Database.POSTGRESQL)},
)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """An image of a workspace of its own."""
    make_workspace(tmp_path)
    (tmp_path / "services/alpha/Containerfile").write_text("ARG COMMON_IMAGE\n")
    (tmp_path / "services/alpha/helper").write_text("#!/bin/sh\n")
    return Image(
        folder="services/alpha",
        title="Tried",
        packages=("alpha",),
        debian_packages=("netbase",),
        files=("helper",),
        user_id=6100,
        tree=tmp_path,
    )


def append(path: str) -> Callable[[Image], Image]:
    def change(image: Image) -> Image:
        with (image.tree / path).open("a") as file:
            file.write("# changed\n")
        return image

    return change


def test_the_same_inputs_are_the_same_tag(image: Image) -> None:
    tag = image.tag("base")
    assert tag == image.tag("base")
    assert tag.startswith("1.2.0-")
    assert len(tag) == len("1.2.0-") + 12


@pytest.mark.parametrize(
    "change",
    [
        append("services/alpha/Containerfile"),
        append("services/alpha/helper"),
        append("services/alpha/src/alpha/__init__.py"),
        append("services/beta/src/beta/__init__.py"),
        lambda image: replace(image, debian_packages=("netbase", "curl")),
        lambda image: replace(image, user_id=6200),
        lambda image: replace(image, packages=("alpha", "gamma")),
        lambda image: write_lock(image.tree, direct="9.0") or image,
    ],
)
def test_another_input_is_another_tag(image: Image, change: Callable[[Image], Image]) -> None:
    before = image.tag("base")
    assert change(image).tag("base") != before


@pytest.mark.parametrize(
    "change",
    [
        append("README.md"),
        append("services/alpha/notes.md"),
        append("services/gamma/src/gamma/__init__.py"),
        lambda image: replace(image, title="Renamed", aliases=("localhost/another:1",)),
        lambda image: write_lock(image.tree, unrelated="9.0") or image,
    ],
)
def test_what_is_not_in_it_changes_nothing(image: Image, change: Callable[[Image], Image]) -> None:
    before = image.tag("base")
    assert change(image).tag("base") == before


def test_on_another_base_it_is_another(image: Image) -> None:
    assert image.tag("base") != image.tag("another")


def test_the_user_is_in_what_all_stand_on(tmp_path: Path) -> None:
    usual = make_site(tmp_path, containers=CONTAINERS)
    other = make_site(tmp_path, containers=CONTAINERS, accounts=Accounts(shared=7100))
    assert common_image(usual).tag("base") != common_image(other).tag("base")


@pytest.mark.parametrize("settings", EVERYTHING)
def test_every_service_has_an_image_with_what_its_container_needs(
    tmp_path: Path, settings: dict
) -> None:
    for image in images_of(make_site(tmp_path, **settings)).values():
        assert image.containerfile.is_file()
        assert image.repository == f"localhost/tomobeam-{image.name}"
        # tomobeam-start, tomobeam-exec and tomobeam-healthy.
        assert "tomobeam-common" in inputs_of(image.name, image.packages, REPOSITORY).members


def test_services_with_one_containerfile_share_an_image(tmp_path: Path) -> None:
    chosen = chosen_images(make_site(tmp_path, containers=CONTAINERS), ["worker", "prefect-server"])
    assert chosen["worker"] == chosen["prefect-server"]
    assert set(chosen["worker"].packages) == {"tomobeam-flows", "tomobeam-segmentation"}
    assert chosen["worker"].schema


def test_the_registry_of_this_repository_names_images_of_jobs_as_they_are_built(
    tmp_path: Path,
) -> None:
    site = make_site(tmp_path, containers=CONTAINERS, registry=EVERY_ALGORITHM)
    built = images_of(site)
    names = {alias for job in JOBS for alias in built[job.name].aliases}
    algorithms = Registry.read(site.registry).contents
    assert {f"{each.image_name}:{each.image_tag}" for each in algorithms} == names
    assert names == {f"{job.repository}:{version()}" for job in JOBS}


def test_the_networks_come_without_cuda_unless_the_site_wants_it(tmp_path: Path) -> None:
    site = make_site(tmp_path, containers=CONTAINERS, registry=EVERY_ALGORITHM)
    usual = images_of(site)["dlsia"]
    cuda = images_of(site.model_copy(update={"cuda": True}))["dlsia"]
    assert usual.arguments == {}
    assert cuda.arguments == {"CUDA": "1"}
    assert usual.aliases == cuda.aliases == (f"localhost/tomobeam-dlsia:{version()}",)
    assert usual.tag("base") != cuda.tag("base")
    found = {name: inputs_of("dlsia", image.packages, REPOSITORY).requirements
             for name, image in (("usual", usual), ("cuda", cuda))}  # fmt: skip
    assert "nvidia-" not in found["usual"]
    assert "nvidia-" in found["cuda"]
    assert "dlsia" not in images_of(make_site(tmp_path, containers=CONTAINERS))


def test_a_job_is_called_as_the_site_calls_it_and_not_made_where_it_is_not(tmp_path: Path) -> None:
    registry = tmp_path / "registry.json"
    site = make_site(tmp_path, containers=CONTAINERS, registry=registry)
    ours = json.loads(make_site(tmp_path).registry.read_text())
    ours["contents"][0]["image_tag"] = "v2"
    registry.write_text(json.dumps(ours))
    repository = "localhost/tomobeam-segmentation"
    assert images_of(site)["segmentation"].aliases == (
        f"{repository}:{version()}",
        f"{repository}:v2",
    )
    for algorithm in ours["contents"]:
        algorithm["image_name"] = "registry.example/segmentation"
    registry.write_text(json.dumps(ours))
    assert "segmentation" not in images_of(site)


def test_hosts_have_images_for_their_jobs() -> None:
    beamline = Site.load(REPOSITORY / "inventories/beamline")
    assert containers_of(beamline) == Containers()
    assert chosen_images(beamline, ["segmentation"])["segmentation"].aliases


def test_what_there_is_not_is_said_with_what_there_is(tmp_path: Path) -> None:
    site = make_site(tmp_path, containers=CONTAINERS)
    with pytest.raises(
        ContainersError, match=r"^web: no such service or job; did you mean 'webapp'"
    ):
        ensure_images(site, only=["web"])


def test_the_command_ends_with_one_sentence() -> None:
    command = (sys.executable, "-m", "tomobeam_deploy.images.cli", "push", "https://x/y")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "'https://x/y' is no folder of a registry; name it as registry.example.org/tomobeam, "
        "without https:// and without a tag\n"
    )


@pytest.mark.parametrize("runtime", list(Runtime))
def test_a_runtime_that_is_missing_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Runtime
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    site = make_site(tmp_path, containers=Containers(runtime=runtime))
    with pytest.raises(ContainersError, match=f"^{runtime} is not installed; install it"):
        ensure_images(site)


@pytest.mark.parametrize(
    "name",
    ["", "registry.example.org", "https://registry.example.org/x", "registry.example.org/x:1",
     "registry.example.org/x/", "Registry.example.org/x", "/x", "registry.example.org/$(id)"],
)  # fmt: skip
def test_what_is_no_folder_of_a_registry_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="is no folder of a registry; name it as"):
        make_site(tmp_path, published=name)


@pytest.mark.parametrize("name", ["registry.example.org/tomobeam", "localhost:5000/a/b-c_d"])
def test_a_folder_of_a_registry_is_accepted(tmp_path: Path, name: str) -> None:
    assert make_site(tmp_path, published=name).published == name


def test_the_compose_inventory_takes_it_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = REPOSITORY / "inventories/compose"
    monkeypatch.setenv("PUBLISHED", "")
    assert Site.load(compose).published is None
    monkeypatch.setenv("PUBLISHED", "registry.example.org/tomobeam")
    assert Site.load(compose).published == "registry.example.org/tomobeam"
    monkeypatch.setenv("PUBLISHED", "https://registry.example.org")
    with pytest.raises(SiteError, match=r"compose:\d+: published: 'https:"):
        Site.load(compose)
