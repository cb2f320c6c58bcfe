"""How a model's parts are found: by watching it at work, or from its configuration."""
