"""An embedded STOMP broker for one machine, durable in SQLite."""
