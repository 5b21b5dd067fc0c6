"""Pictures of every page, made of a demo: ``make screenshots``."""
