"""Methods of incremental learning, one file each."""
