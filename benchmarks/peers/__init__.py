"""Other image servers, each as its own documentation sets it up for speed."""
