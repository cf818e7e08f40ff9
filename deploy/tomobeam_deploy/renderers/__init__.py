"""What a `Process` becomes: a local child, a systemd unit, and later a compose service."""
