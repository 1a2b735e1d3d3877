"""One function per workload; `netbench.servers.registry` finds them by scanning this folder."""
