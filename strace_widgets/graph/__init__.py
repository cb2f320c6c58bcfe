"""The computation graph and what is said of its edges: weights, ranks, toggles. numpy only."""
