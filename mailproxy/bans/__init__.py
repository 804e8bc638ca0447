"""Banned addresses and networks: the list and its look-up, its file, and CrowdSec as a source."""
