"""What must hold of the workspace itself; each guard is shown going red on a planted fault."""
