"""Cases: tables, book, service, API."""
