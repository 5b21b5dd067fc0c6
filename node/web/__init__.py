"""Pages: server-rendered, working without scripts, the same at all levels but for each level's folder."""
