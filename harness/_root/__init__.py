"""netbench: which concurrency model should this network service use, and how sure are we?"""

__version__ = "0.1.0"
