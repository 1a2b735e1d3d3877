"""Sphinx settings: MyST for Markdown, Furo for the looks."""

project = "netbench"
author = "the netbench authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "netbench"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
