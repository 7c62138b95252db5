"""The report's findings, one file each: ``PLACE`` (its order on the page) and ``block(found) -> Block``.

Every section makes ``<name>.svg``, ``<name>.png`` and ``<name>.csv`` (the numbers behind the picture), whatever the run
holds: where it has nothing to show, the picture says so.
"""
