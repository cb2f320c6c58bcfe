"""A model on an NDIF server: who answers, and how a request is sent and followed."""
