"""The synthetic Earth: made, observed, estimated, scored."""
