"""The Prefect worker type that launches ML jobs, and the parent flow."""
