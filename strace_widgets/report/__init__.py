"""A study written up: one page with its settings, findings and failures, and figures and tables for a paper."""
