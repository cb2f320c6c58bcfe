"""Many prompts, resumable, into tables."""
