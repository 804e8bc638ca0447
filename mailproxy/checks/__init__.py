"""What mailproxy asks servers on its own behalf: for now, what they offer (`capabilities`)."""
