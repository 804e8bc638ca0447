"""Tests with real peers: Dovecot, HAProxy and the mail clients people use, over real sockets."""
