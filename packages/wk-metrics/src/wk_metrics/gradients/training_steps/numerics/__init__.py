"""Statistics of gradients in the operations of a backend, with one module for each.

Each has the same functions: `values_of`, `norms`, `extremes`, `counts` and `placed`.
"""
