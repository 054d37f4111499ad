"""Where a Recorder's batches go."""
