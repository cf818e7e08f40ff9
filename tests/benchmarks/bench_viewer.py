"""A slice step on 2160 × 2560: the page's canvas against the older page's Plotly figure.

Both are real Dash pages in front of one real Tiled, in one headless chromium (software drawing).
A step lasts from setting the slice to the second frame after the new slice was drawn. The older
page reads the slice, makes `px.imshow` of it and takes the figure back as the callback's state.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import plotly.express as px
from dash import Dash, Input, Output, State, dcc
from flask import request
from pydantic import SecretStr
from selenium.webdriver import Chrome
from werkzeug.serving import make_server

from tests.support.browser import chromium
from tests.support.platform import local_platform
from tests.support.waiting import wait_for
from tests.support.webapp_harness import Harness
from tomobeam_common.tiled import TiledClient

SHAPE = (14, 2160, 2560)
STEPS = range(3, 11)
WANTED = 8.0

STEP = """
const [act, drawn, z, done] = arguments;
performance.clearResourceTimings();
const frames = n => n ? requestAnimationFrame(() => frames(n - 1)) : done([
  performance.now() - start,
  performance.getEntriesByType("resource").reduce((n, e) => n + e.encodedBodySize, 0)]);
const start = performance.now();
new Function("z", "then", drawn)(z, () => frames(2));
new Function("z", act)(z);
"""
OLD = (
    "dash_clientside.set_props('z', {data: z})",
    "document.querySelector('.js-plotly-plot').once('plotly_afterplot', then)",
)
OURS = (
    "tomobeamViewer.app.setZ(z)",
    "const v = tomobeamViewer.app.view, show = v.show;"
    "v.show = p => { show.call(v, p); if (p.z === z && p.data) { v.show = show; then(); } };",
)


def fill(tiled: TiledClient) -> None:
    """A noisy stack: noise does not compress, as reconstructions do not."""
    random = np.random.default_rng(0)
    tiled.ensure_container("recons")
    chunks = [[1] * SHAPE[0], [SHAPE[1]], [SHAPE[2]]]
    tiled.create_array("recons/big", SHAPE, np.float32, chunks, {"scan": "big"})
    for z in range(SHAPE[0]):
        plane = random.normal(1e-3, 3e-4, (1, *SHAPE[1:])).astype(np.float32)
        tiled.write_block("recons/big", (z, 0, 0), plane)


@contextmanager
def older_page(tiled: TiledClient) -> Iterator[tuple[str, list[int]]]:
    """The older page's way, alone on a page; yields its address and the bytes sent up to it."""
    sent: list[int] = []
    node = tiled.node("recons/big")
    assert node is not None
    app = Dash("older")
    app.layout = [dcc.Store(id="z", data=0), dcc.Graph(id="figure", style={"height": "90vh"})]

    @app.callback(Output("figure", "figure"), Input("z", "data"), State("figure", "figure"))
    def show(z: int, _figure: object) -> object:
        return px.imshow(tiled.read(node, (z,)), binary_string=True)

    app.server.before_request(lambda: sent.append(request.content_length or 0))
    server = make_server("127.0.0.1", 0, app.server, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        server.server_close()


def steps(browser: Chrome, way: tuple[str, str], settle: Callable[[], object]) -> list[list[float]]:
    """Milliseconds and bytes down of each step."""
    found = []
    for z in STEPS:
        settle()
        found.append(browser.execute_async_script(STEP, *way, z))
    return found


def ratio(what: str, a: float, b: float, unit: str) -> float:
    print(f"bench: {what}: {a:.0f} {unit} / {b:.0f} {unit} = {a / b:.1f}")
    return a / b


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tomobeam-bench-") as name:
        folder = Path(name)
        with local_platform(folder / "platform", ["tiled"]) as platform:
            key = platform.secret("tiled-key-webapp")
            with TiledClient(platform.site.tiled_url, SecretStr(key)) as tiled:
                fill(tiled)
                compare(folder, platform.site.tiled_url, key, tiled)


def compare(folder: Path, url: str, key: str, tiled: TiledClient) -> None:
    image = {"path": "recons/big", "uri": "", "title": "big", "shape": list(SHAPE)}
    image |= {"dtype": "float32", "version": "1"}
    with chromium(folder / "profile", 1600, 1000) as browser:
        browser.set_script_timeout(120)
        with older_page(tiled) as (address, sent):
            browser.get(address)
            wait_for(
                lambda: browser.find_elements("css selector", ".js-plotly-plot image"), "a figure"
            )
            old = steps(browser, OLD, lambda: None)
        with Harness(url, key, folder / "state", image) as harness:
            browser.get(harness.url)
            resting = "const l = tomobeamViewer?.app?.view?.loader; return l && l.atRest()"
            rest = lambda: wait_for(lambda: browser.execute_script(resting), "rest")  # noqa: E731
            ours = steps(browser, OURS, rest)
            # Slices that neither browser nor server has seen.
            browser.execute_script("tomobeamViewer.app.setZ(0)")
            rest()
            first = browser.execute_async_script(STEP, *OURS, SHAPE[0] - 1)
            rest()
            sizes = browser.execute_script(
                "return performance.getEntriesByType('resource')"
                ".filter(e => e.name.endsWith('.u16')).map(e => e.encodedBodySize)"
            )
    report(old, ours, first, (max(sent), max(sizes)))


def report(
    old: list[list[float]], ours: list[list[float]], first: list[float], sizes: tuple[float, float]
) -> None:
    sent_up, slice_bytes = sizes
    old_ms = statistics.median(step[0] for step in old)
    ours_ms = statistics.median(step[0] for step in ours)
    faster = ratio("slice step 2160 x 2560, older page / ours, time", old_ms, ours_ms, "ms")
    ratio("slice never seen before, older page / ours, time", old_ms, first[0], "ms")
    old_kb = statistics.median(step[1] for step in old) / 1e3
    ratio("slice step, older page / ours, bytes down", old_kb, slice_bytes / 1e3, "kB")
    ratio(
        "slice step, older page / ours, bytes both ways",
        old_kb + sent_up / 1e3,
        slice_bytes / 1e3,
        "kB",
    )
    if faster < WANTED:
        raise SystemExit(f"a slice step is only {faster:.1f} times faster; {WANTED} are promised")


if __name__ == "__main__":
    main()
