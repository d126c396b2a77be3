"""A client of the query service for Python, sync and async: `from streams.client.sync import Client`."""
