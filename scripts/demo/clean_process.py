"""What can a process do with the SavedModel that has TensorFlow and nothing of this project? All of it.

    python -I clean_process.py DIRECTORY < request.json > answer.json

The request: `prompts`, options of `generate` for all of them, `texts` to be tokenized. The answer: the bytes that
continue each prompt (in hexadecimal), ids, seconds, and which modules were loaded. Imports nothing from the files
beside it: that is its point.
"""

import json
import sys
import time

KINDS = {
    "max_new_tokens": "int32",
    "temperature": "float32",
    "top_k": "int32",
    "top_p": "float32",
    "seed": "int32",
}


def main() -> None:
    """Read the request, answer it."""
    directory, request = sys.argv[1], json.load(sys.stdin)
    start = time.perf_counter()
    import tensorflow as tf

    imported = time.perf_counter()
    signatures = tf.saved_model.load(directory).signatures
    loaded = time.perf_counter()

    prompts = tf.constant([text.encode() for text in request["prompts"]])
    options = {
        name: tf.constant([request[name]] * len(request["prompts"]), kind) for name, kind in KINDS.items()
    }
    options["seed"] += tf.range(len(request["prompts"]))  # else all texts draw the same numbers
    seconds = []
    for _ in range(1 + request["runs"]):
        begin = time.perf_counter()
        answer = signatures["generate"](text=prompts, **options)
        continuations = answer["continuation_bytes"].numpy().tolist()
        seconds.append(time.perf_counter() - begin)

    tokenizing = []
    for _ in range(2):  # the first time builds what the second uses
        ids, begin = [], time.perf_counter()
        for text in request["texts"]:
            row = signatures["tokenize"](text=tf.constant([text.encode()]))
            ids.append(row["input_ids"].numpy()[0][row["attention_mask"].numpy()[0] == 1].tolist())
        tokenizing.append(time.perf_counter() - begin)

    json.dump(
        {
            "continuations": [text.hex() for text in continuations],
            "token_count": answer["token_count"].numpy().tolist(),
            "import_seconds": imported - start,
            "load_seconds": loaded - imported,
            "first_seconds": seconds[0],
            "seconds": min(seconds[1:]),
            "ids": ids,
            "tokenize_seconds": min(tokenizing),
            "modules": sorted({name.partition(".")[0] for name in sys.modules}),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
