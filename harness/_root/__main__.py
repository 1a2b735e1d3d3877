"""`python -m netbench` is the same as `netbench`."""

from netbench.harness.cli import main

if __name__ == "__main__":
    main()
