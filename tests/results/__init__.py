"""Tests of everything after the last byte."""
