"""Papers (文书): the parts of a dossier as Word files, filled from the log; a county can replace their templates."""
