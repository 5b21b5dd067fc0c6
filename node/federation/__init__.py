"""How centers talk: broker, transports, link runner, outbox and inbox, enrolment."""
