"""What runs inside a model, here or on a server: this whole room travels as source, so it imports torch alone."""
