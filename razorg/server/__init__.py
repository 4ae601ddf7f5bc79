"""The answering side: listeners, sessions, workers, dispatch."""
