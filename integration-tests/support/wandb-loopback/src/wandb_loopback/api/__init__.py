"""What a client can ask for: the endpoints, and the queries of GraphQL."""
