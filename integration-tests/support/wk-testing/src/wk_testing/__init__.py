"""What the test trees share: an offline W&B, a reader of what a run wrote, small models."""
