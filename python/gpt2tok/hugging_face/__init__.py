"""GPT-2's tokenizers as Hugging Face's users know them: `GPT2Tokenizer`, `GPT2TokenizerFast`, `BatchEncoding`.

Owns the surface of names, arguments and results that transformers gives its tokenizers. Refuses the algorithm of the
fast one (the compiled core) and the files' formats where the core reads them. Import from `gpt2tok` itself: the modules
here are private and may move.
"""
