"""The database gone, the stream cut, the clock wrong."""
