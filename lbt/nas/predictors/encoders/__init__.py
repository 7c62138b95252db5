"""One predictor per file: the file's name is the predictor's name."""
