"""The command ``razorg``; needs the extra ``razorg[cli]`` (click and rich)."""
