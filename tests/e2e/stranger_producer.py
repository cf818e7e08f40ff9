"""A producer that knows DAWN's message and nothing of this platform: plain stomp.py."""

import json
import os
import sys

import stomp

connection = stomp.Connection12(
    [(os.environ["TOMOBEAM_BROKER_HOST"], int(os.environ["TOMOBEAM_BROKER_PORT"]))],
    auto_content_length=False,
)
connection.connect(
    os.environ["TOMOBEAM_BROKER_USER"], os.environ["TOMOBEAM_BROKER_PASSWORD"], wait=True
)
connection.send("/topic/org.dawnsci.file.topic", json.dumps({"filePath": sys.argv[1]}))
connection.disconnect(receipt="sent")
