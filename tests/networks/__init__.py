"""Tests of the sets of networks."""
