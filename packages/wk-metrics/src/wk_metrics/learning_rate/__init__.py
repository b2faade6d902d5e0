"""The learning rate that each batch and each epoch used."""
