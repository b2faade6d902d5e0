"""How a field of the GraphQL schema finds its answer."""
