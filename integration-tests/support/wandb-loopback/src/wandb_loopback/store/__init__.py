"""What the server remembers, and what it has seen."""
