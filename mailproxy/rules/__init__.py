"""Rules for clients, pure: conditions, their three-valued logic, decisions, and their explanation."""
