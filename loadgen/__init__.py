"""Makes load, and proves that it was made as asked."""
