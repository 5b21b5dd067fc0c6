"""Accounts: who works at this center, what their roles may do, and the tokens they show."""
