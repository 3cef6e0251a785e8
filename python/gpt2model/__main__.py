"""`python -m gpt2model` is the command `gpt2model`."""

import sys

from gpt2model.cli import main

if __name__ == "__main__":
    sys.exit(main())
