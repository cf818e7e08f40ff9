"""The networks of DLSIA, trained and run as the platform's jobs."""
