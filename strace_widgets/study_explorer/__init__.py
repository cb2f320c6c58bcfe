"""The widget over a whole study, what it shows, and pages that show the same without a kernel."""
