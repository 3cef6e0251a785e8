"""A small reference server: TensorFlow Serving's REST predict dialect, for local trial and tests.

Owns nothing itself; `gpt2tok serve` is its door. The way through the files: `place.py` (which directory), `loaded.py`
(the SavedModel), `dialect.py` (JSON to tensors and back), `application.py` (routes and bounds), `process.py` (socket,
signals). Serves the in-graph tokenizer and the text generator alike: it knows SavedModels, not what is in them.
"""
