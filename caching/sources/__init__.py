"""What was read of sources, kept near: ranges of them (`blocks`), or the whole (`objects`). Bytes and keys only."""
