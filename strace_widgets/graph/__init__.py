"""The computation graph, and the weights, ranks, masks and toggles of its edges. numpy only."""
