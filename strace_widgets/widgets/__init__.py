"""The anywidget components: one Python file a view, over the one bundle in ``static``."""
