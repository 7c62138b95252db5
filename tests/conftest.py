"""Settings of every test."""

from hypothesis import settings

settings.register_profile("lbt", deadline=None)  # a first call may compile; a busy machine is no failure
settings.load_profile("lbt")
