"""
mailproxy's own connections to servers: whether they work (`prober`), and which capabilities they have (`learner`).
"""
