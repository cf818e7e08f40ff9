"""Ids of what several parts of the page share; a part keeps its own ids to itself.

Contents of the stores:

- `IMAGE`, written by the list of reconstructions, null before a choice:
  `{path, uri, title, shape: [z, y, x], dtype, version}`
- `MASK`, written by the annotation, null before the first save:
  `{path, uri, image_path, mask_idx, classes: [{name, color}], saved_at}`
- `OVERLAY`, written by the results, null where nothing is shown:
  `{path: "results/<uid>/seg_result", mask_idx: [...] | null, classes: [{name, color}],
  opacity: 0…1, visible, version}`
- `CLASSES`, written by the annotation: `[{name, color}]`
"""

IMAGE = "image"
MASK = "mask"
OVERLAY = "overlay"
CLASSES = "classes"

# dmc.NotificationContainer: Output(NOTIFY, "sendNotifications", allow_duplicate=True).
NOTIFY = "notify"

# dcc.Location: `?image=<tree path>` says which image is open.
URL = "url"

# Stores that change when the mirror of a feed does (see assets/shell-events.js).
RECONS_VERSION = "recons-version"
RESULTS_VERSION = "results-version"
JOBS_VERSION = "jobs-version"
FAULTS = "faults"
