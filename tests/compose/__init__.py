"""What holds of containers that run: `make compose-test` starts them first."""
