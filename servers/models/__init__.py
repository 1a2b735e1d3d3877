"""One file per concurrency model; `netbench.servers.registry` finds them by scanning."""
