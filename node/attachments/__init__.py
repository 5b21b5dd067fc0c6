"""Attachments: files of cases. The log says what they are; their bytes lie beside the database and travel apart."""
