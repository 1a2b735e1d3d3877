"""`python -m netbench` is the same as `netbench`."""

try:
    from netbench.harness.cli import main
except KeyboardInterrupt:  # while it is looked for; from its first line on it answers by itself
    raise SystemExit(130) from None

if __name__ == "__main__":
    main()
