"""Everything after the last byte: records, store, statistics, charts."""
