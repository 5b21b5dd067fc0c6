"""The audit log: who looked at people's data, who signed in, who changed this center; chained, never rewritten."""
