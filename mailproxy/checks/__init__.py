"""What mailproxy asks servers on its own behalf: whether they are well (`prober`), and what they offer (`learner`)."""
