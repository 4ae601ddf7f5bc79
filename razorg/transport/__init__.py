"""Connections and listeners for the schemes of an address: the plug between frames and bytes."""
