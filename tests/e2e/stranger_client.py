"""A client that knows wires 2 and 3 from the documents: Tiled's and Prefect's own libraries."""

import json
import os
import sys
from typing import Any

import numpy as np
from prefect.deployments import run_deployment
from tiled.client import from_uri

scan, algorithm = sys.argv[1:]
tiled = from_uri(os.environ["TILED_URI"], api_key=os.environ["TILED_API_KEY"])
base = f"{os.environ['TOMOBEAM_TILED_URL']}/api/v1/metadata"
image = tiled["recons", scan]
depth, height, width = image.shape

slices = [depth // 3, depth // 2]
mask = np.full((2, height, width), -1, np.int8)
for plane, z in zip(mask, slices, strict=True):
    pixels = image[z]
    low, high = np.percentile(pixels, [20, 90])
    rows = slice(height // 3, height // 2)
    plane[rows][pixels[rows] < low] = 0
    plane[rows][pixels[rows] > high] = 1

digest = "0123456789abcdef0123456789abcdef"
container = tiled["masks"]
for key in ("stranger", "recons", scan):
    container = container.create_container(key)
container = container.create_container(
    digest,
    metadata={
        "project_name": scan,
        "data_uri": f"{base}/recons/{scan}",
        "image_shape": [depth, height, width],
        "mask_idx": slices,
        "classes": [
            {"name": "pore", "color": "#1f77b4"},
            {"name": "grain", "color": "#ff7f0e"},
        ],
        "annotations": {},
        "unlabeled_class_id": -1,
    },
)
container.write_array(mask, key="mask")

io = {
    "data_tiled_uri": f"{base}/recons/{scan}",
    "mask_tiled_uri": f"{base}/masks/stranger/recons/{scan}/{digest}",
    "seg_tiled_uri": f"{base}/results",
    "uid_save": "",
    "uid_retrieve": "",
    "job_name": "a stranger's",
}
run: Any = run_deployment(
    "Parent flow/launch_parent_flow",
    parameters={
        "params_list": [
            {
                "model_name": algorithm,
                "task_name": "train",
                "params": {"io_parameters": io, "model_parameters": {}},
            },
            {
                "model_name": algorithm,
                "task_name": "inference",
                "params": {"io_parameters": io, "model_parameters": {}},
            },
        ]
    },
    timeout=300,
)
results = [
    key
    for key, node in tiled["results"].items()
    if node.metadata.get("data_uri") == io["data_tiled_uri"]
]
found = {key: list(tiled["results", key, "seg_result"].shape) for key in results}
print(json.dumps({"state": run.state.name, "message": run.state.message, "results": found}))
