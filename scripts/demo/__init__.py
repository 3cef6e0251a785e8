"""What `make demo` shows: the whole road from text to text, on this machine, without a network.

The way through the files: `__main__.py` (the command line), `road.py` (the parts in their order), then a file for each
step: `corpus.py` (the interpreter's own library), `tokenizing.py` (GPT-2's vocabulary), `vocabulary.py` (one of
the corpus' own), `settings.py` and `training.py` (a small GPT-2), `held_out.py` (how good is it), `curve.py` (a picture
of that), `checkpoint.py` (kept for the next run), `completing.py` (a SavedModel, asked in `clean_process.py`).
`shown.py`, `progress.py` and `chatter.py` own the terminal. Refuses to print a figure that it has not just measured.
"""
