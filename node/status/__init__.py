"""Status: counters, snapshots, daily rows, API."""
