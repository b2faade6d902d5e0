"""What a run and a directory hold, as JSON, without what is never twice the same."""
