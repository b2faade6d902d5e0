"""What a checkpoint holds, read while training goes on."""
