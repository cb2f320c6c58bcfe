"""From a prompt to what users hold: traces, sweeps, comparisons, files."""
