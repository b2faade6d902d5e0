"""Small models of many kinds, and what wk does to their training: nothing, and all it promises."""
