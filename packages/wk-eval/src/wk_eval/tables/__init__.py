"""Tables that a background thread writes to the disk and logs to W&B."""
