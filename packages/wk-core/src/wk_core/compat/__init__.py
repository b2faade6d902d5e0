"""Everything in wk that stands on private parts of others: of wandb, Keras, JAX and Python.

No module elsewhere imports such a part. Each function here is an entry (`wk_core.compat.entries`),
which says what it stands on and what happens where that is missing: a feature is lost, and said to
be. An import never fails for it, and no number is ever wrong for it. Nothing is patched when a
module is imported.
"""
