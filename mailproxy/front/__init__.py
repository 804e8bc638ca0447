"""The front: one reading of the configuration at work, and what is handed from one reading to the next."""
