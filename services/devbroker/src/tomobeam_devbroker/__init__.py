"""An embedded STOMP broker for one machine, durable in SQLite.

It promises the local profile what ActiveMQ promises the others, and one conformance suite
(`tests/services/broker`) holds both to it. It is never deployed.

- `frames`: bytes to frames and back, around the parser of stomp.py.
- `store`: messages in SQLite; nothing is answered or delivered before it is on disk.
- `broker`: queues, subscriptions, redelivery, dead letters.
- `session`: one client: its socket and its part of the protocol.
"""
