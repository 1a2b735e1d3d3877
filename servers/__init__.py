"""The thing under test: one process (tree) is one model x one protocol x one workload."""
