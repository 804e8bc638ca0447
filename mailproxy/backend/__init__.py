"""A backend for one protocol: the pool of its servers, their origins, and their header."""
