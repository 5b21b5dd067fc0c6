"""Running centers: a federation on one machine, static files, service units."""
