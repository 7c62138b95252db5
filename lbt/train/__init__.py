"""Parts of a training that pretraining, adaptation and supernets share."""
