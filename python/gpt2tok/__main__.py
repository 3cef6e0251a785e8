"""`python -m gpt2tok` is the command `gpt2tok`."""

import sys

from gpt2tok.cli import main

if __name__ == "__main__":
    sys.exit(main())
