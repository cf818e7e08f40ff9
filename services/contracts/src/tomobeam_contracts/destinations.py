"""The names by which broker, Tiled and Prefect know things, each written once."""

SCAN_TOPIC = "org.dawnsci.file.topic"
INGEST_QUEUE = "segmentation.ingest"
DEAD_LETTER_PREFIX = "DLQ."
DEAD_LETTER_QUEUE = DEAD_LETTER_PREFIX + INGEST_QUEUE
REASON_HEADER = "tomobeam-reason"


def topic(name: str) -> str:
    """The STOMP destination of the topic `name`."""
    return f"/topic/{name}"


def queue(name: str) -> str:
    """The STOMP destination of the queue `name`."""
    return f"/queue/{name}"


RECONS = "recons"
MASKS = "masks"
RESULTS = "results"
SEG_RESULT = "seg_result"
PROBABILITY = "probability"
MASK = "mask"
# What a canary leaves is called so: its scan folder, its user, and its scans' names begin with it.
CANARY = "tomobeam-canary"

FLOW_NAME = "Parent flow"
STEP_FLOW_NAME = "launch_step"
DEPLOYMENT_NAME = "launch_parent_flow"
DEPLOYMENT = f"{FLOW_NAME}/{DEPLOYMENT_NAME}"
PROJECT_TAG = "high-res-segmentation"

BROKER_PRODUCER = "beamline"
BROKER_INGESTER = "ingester"
