"""The widget, the data that it shows, and pages that show the same without a kernel."""
