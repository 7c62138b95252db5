"""Embedded sets of users, one file each: ``load() -> People``. Their users are made, not people; each file says how."""
