"""Tables that go to the disk behind the training, and from there to W&B."""
