"""Projects, and the runs in them: rows, summaries, files."""
