"""Daily inspections with zero reports, weekly reports, and who has not reported."""
