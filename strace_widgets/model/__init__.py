"""A model whose edges were proved to sum to its nodes, and how it is found, loaded and asked."""
