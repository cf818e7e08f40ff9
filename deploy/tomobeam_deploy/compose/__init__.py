"""The compose profile: every service a container of one machine.

`layout` says where things are and writes what the containers read, `project` drives podman-compose
or docker compose, `platform` brings everything up and waits, `cli` is the command.
"""
