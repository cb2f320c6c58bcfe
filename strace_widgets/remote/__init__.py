"""A model on an NDIF server.

`server` asks over HTTP, `backend` sends a request and follows it, `failures` puts what went wrong in a sentence,
`loading` reaches for the model; `stages` tells where a job is, and `key` looks up the API key.
"""
