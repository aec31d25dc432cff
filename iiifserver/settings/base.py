"""Settings that hold everywhere; the other settings files only override."""
