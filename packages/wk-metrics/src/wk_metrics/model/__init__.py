"""What a model is: facts, its graph, and the operations of one example."""
