"""The model gateway: an OpenAI-compatible address in front of any provider, with a token for each who may use it."""
