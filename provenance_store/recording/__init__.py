"""Writing history: the Recorder, what it hands back, and what it knows of this process."""
