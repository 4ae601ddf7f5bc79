"""The calling side: streams and pools."""
