"""Tests of `harness/`; a package so that they can share `support`."""
