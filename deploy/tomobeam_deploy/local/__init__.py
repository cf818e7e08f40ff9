"""The local profile: every service a child of one supervisor, on one machine, without root."""
