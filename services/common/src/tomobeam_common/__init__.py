"""What every tomobeam service needs to run: settings, logs, health, a Tiled client."""
