"""The front: one reading of the configuration in use, and the objects that are handed from one reading to the next."""
