"""What holds for every test."""

from hypothesis import settings

# Without a deadline for an example: a busy machine is no counterexample.
settings.register_profile("mailproxy", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("mailproxy")
