"""Prompts of every form, and the texts of tokens."""
