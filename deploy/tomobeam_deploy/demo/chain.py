"""One scan through every wire: what `make demo` does once everything answers."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import SecretStr
from rich.console import Console

from tomobeam_canary.flow_run import TASKS, Prefect, train_and_segment
from tomobeam_canary.page import Page, Users
from tomobeam_common.masks import write_mask
from tomobeam_common.tiled import Node, TiledClient
from tomobeam_contracts.destinations import RECONS, SEG_RESULT
from tomobeam_contracts.flow import job_label
from tomobeam_contracts.registry import Registry
from tomobeam_contracts.tree import (
    MaskMetadata,
    annotation_digest,
    mask_path,
    metadata_uri,
    result_path,
)
from tomobeam_deploy.demo.report import Report
from tomobeam_deploy.demo.score import mean_iou
from tomobeam_deploy.local.client_environment import client_environment
from tomobeam_deploy.local.layout import Layout
from tomobeam_deploy.renderers.child import base_environment, child_command
from tomobeam_deploy.service import Process
from tomobeam_reconstruction.truth import Truth, read_truth, scribbles, truth_path

USER = "demo"
SPECIMEN = ("rock", "--size", "160", "--height", "48", "--angles", "240")
ARRIVAL_LIMIT_S = 120.0
JOB_LIMIT_S = 600.0


@dataclass
class Demo:
    """What the steps hand on to each other.

    The platform is as its clients see it: addresses, the keys that it gives to clients, and the
    command that lets `users` in.
    """

    layout: Layout
    users: Users
    report: Report
    shown: str = ""

    def __post_init__(self) -> None:
        self.site = self.layout.site.seen_by_clients
        self.environment = client_environment(self.layout)
        self.tiled = TiledClient(
            self.environment["TOMOBEAM_TILED_URL"],
            SecretStr(self.environment["TOMOBEAM_TILED_API_KEY"]),
        )
        self.folder = self.layout.data / "demo"
        self.bin = Path(sys.prefix) / "bin"

    def call(self, program: str, *arguments: str) -> str:
        """Run one of the platform's commands as any client would.

        Raises:
            RuntimeError: it failed; the message is what it said.
        """
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            env={**base_environment(self.bin, self.folder), **self.environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout

    def measure(self) -> Path:
        """A specimen and its projections, as an experiment would bring them."""
        projections = self.folder / f"{datetime.now(UTC):%Y%m%d%H%M%S}" / "rock.h5"
        projections.parent.mkdir()
        with self.report.wire("0 experiment → projections") as row:
            kind, *options = SPECIMEN
            self.call("tomobeam-specimen", kind, str(projections), *options)
            row.passed = f"{projections.name}, {projections.stat().st_size / 1e6:.0f} MB"
        return projections

    def reconstruct(self, projections: Path) -> str:
        """The stack in the file store; the name of its scan folder."""
        store = self.site.data.filestore
        before = set(store.iterdir())
        with self.report.wire("  reconstruction → file store") as row:
            self.call("tomobeam-reconstruct", str(projections), str(store))
            (folder,) = set(store.iterdir()) - before
            row.passed = f"{folder.name}, {sum(1 for _ in folder.rglob('*.tif*'))} TIFF files"
        return folder.name

    def notify(self, folder: str) -> Node:
        """The message, and the scan in Tiled."""
        store = self.site.data.filestore
        (process_file,) = (store / folder).glob("*_processed.nxs")
        with self.report.wire("1 notification → broker") as row:
            self.call("tomobeam-notify", str(process_file), "--state", "COMPLETE")
            row.passed = f"filePath …/{process_file.name}"
        with self.report.wire("2 ingester → Tiled") as row:
            node = self._arrival(f"{RECONS}/{folder}")
            row.passed = f"/{node.path} {node.dtype} {node.shape}"
        self.shown = node.path
        return node

    def _arrival(self, path: str) -> Node:
        deadline = time.monotonic() + ARRIVAL_LIMIT_S
        while (node := self.tiled.node(path)) is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{path} did not arrive within {ARRIVAL_LIMIT_S:.0f} s")
            time.sleep(0.1)
        return node

    def annotate(self, node: Node, truth: Truth) -> str:
        """A mask from scribbles; its path."""
        assert node.shape is not None
        with self.report.wire("2 mask → Tiled") as row:
            drawn = scribbles(truth.labels)
            annotations = {str(z): [{"kind": "scribble", "seed": 1}] for z in drawn.slices}
            path = mask_path(USER, node.path, annotation_digest(annotations, truth.classes))
            metadata = MaskMetadata(
                project_name=node.key,
                data_uri=metadata_uri(self.tiled.url, node.path),
                image_shape=(node.shape[0], node.shape[1], node.shape[2]),
                mask_idx=drawn.slices,
                classes=truth.classes,
                annotations=annotations,
            )
            write_mask(self.tiled, path, list(drawn.mask), metadata)
            labelled = np.count_nonzero(drawn.mask >= 0) / drawn.mask.size
            row.passed = f"{len(drawn.slices)} slices, {labelled:.1%} of their pixels marked"
        return path

    def segment(self, node: Node, mask: str) -> str:
        """Train and segment through Prefect; the path of the result."""
        algorithm = Registry.read(self.site.registry).contents[0].model_name
        label = job_label(node.key, datetime.now(UTC))
        with self.report.wire("3 flow run → worker → ML jobs") as row, self._prefect() as prefect:
            parameters = train_and_segment(self.tiled.url, node, mask, algorithm, label)
            run = prefect.start(label, parameters, node)
            prefect.wait(run, JOB_LIMIT_S)
            steps = prefect.steps(run)
            took = [
                f"{task} {step['total_run_time']:.1f} s"
                for task, step in zip(TASKS, steps, strict=True)
            ]
            row.passed = f"{algorithm}: {', '.join(took)}"
        return result_path(steps[-1]["id"])

    def _prefect(self) -> Prefect:
        return Prefect(
            self.environment["PREFECT_API_URL"], self.environment["PREFECT_API_AUTH_STRING"]
        )

    def compare(self, result: str, truth: Truth) -> None:
        """Read the result back and score it."""
        with self.report.wire("2 result in Tiled → reader") as row:
            node = self._arrival(f"{result}/{SEG_RESULT}")
            labels = self.tiled.read(node)
            score = mean_iou(labels, truth.labels, len(truth.classes))
            row.passed = f"/{node.path} {node.dtype} {node.shape}"
        self.report.mean_iou = score

    def look(self, node: Node, result: str) -> None:
        """What a scientist's browser asks the page for."""
        assert node.shape is not None
        middle = node.shape[0] // 2
        link = self.users.login_link(USER)
        with (
            self.report.wire("  Tiled → page") as row,
            Page(self.site.page_url, link) as page,
        ):
            image, labels = page.look_at(node, middle, USER, f"{result}/{SEG_RESULT}", middle)
            row.passed = f"slice {image / 1e3:.0f} kB, its labels {labels / 1e3:.0f} kB"

    def addresses(self, console: Console) -> None:
        """Where to look, and how to get in."""
        link = self.users.login_link(USER)
        console.print(
            f"\nThe page:  {link}?next=/?image={self.shown}", soft_wrap=True, highlight=False
        )
        console.print("           (signs you in once; the demo prints a new one each time)")
        console.print(f"Tiled:     {self.site.tiled_url}")
        console.print(f"Prefect:   {self.site.url('prefect_server')}")


def page_users(webapp: Process) -> Users:
    """The page's command, as a process of this machine runs it."""
    command = child_command(webapp)
    return Users([str(webapp.placement.bin / "tomobeam-webapp")], command.environment)


def run_demo(layout: Layout, users: Users, console: Console | None = None) -> bool:
    """Send one scan through every wire of a platform that runs, and print the table.

    Args:
        layout: the platform's, for what it gives to clients.
        users: the page's command, with the page's environment.

    Returns:
        Whether every wire worked.
    """
    console = console or Console()
    report = Report()
    demo = Demo(layout, users, report)
    demo.folder.mkdir(exist_ok=True)
    try:
        projections = demo.measure()
        truth = read_truth(truth_path(projections))
        node = demo.notify(demo.reconstruct(projections))
        result = demo.segment(node, demo.annotate(node, truth))
        demo.compare(result, truth)
        demo.look(node, result)
    except Exception as error:  # noqa: BLE001 - the table says which wire failed, and why
        console.print(f"[red]{error}[/]", highlight=False)
    finally:
        demo.tiled.close()
    report.show(console)
    demo.addresses(console)
    return report.passed
