"""The service of one center, the same at every level."""
