"""`Encoding` among processes, threads and signals: forks, Ctrl-C, the interpreter's lock, and what importing loads.

Owns what only shows in a process of its own. Times are bounds against hanging, far from what is measured.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PRELUDE = """
import os, random, signal, sys, threading, time
import gpt2tok
gpt2 = gpt2tok.get_encoding("gpt2")
generator = random.Random(0)
texts = ["".join(generator.choices("the quick brown fox 123 \\u4e2d\\u6587\\n", k=1000)) for _ in range(600)]
"""


def run(code: str, *arguments: object, prelude: str = PRELUDE, timeout: float = 120) -> str:
    """Runs code in a new interpreter; returns what it printed. A hang is a failure, not a hung test run."""
    command = [sys.executable, "-c", prelude + textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_importing_loads_nothing_else() -> None:
    """Neither NumPy nor a framework, nor any other package; and neither does working with text and lists."""
    code = """
        import sys
        before = set(sys.modules)
        import gpt2tok
        loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(loaded - set(sys.stdlib_module_names)))
        gpt2 = gpt2tok.get_encoding("gpt2")
        ids = gpt2.encode("Hello, world!", allowed_special="all")
        assert gpt2.decode(ids) == "Hello, world!" and gpt2.decode(tuple(ids)) and gpt2.decode(range(9))
        gpt2.encode_batch(["a b c"] * 100_000, num_threads=2)
        gpt2.decode_batch([ids] * 10), gpt2.decode_with_offsets(ids), gpt2.encode_with_offsets("a")
        gpt2.decode_stream().step(1), gpt2.count("a"), gpt2.count_batch(["a"]), gpt2.decode_ragged([1], [0, 1])
        print("numpy" in sys.modules)
    """
    assert run(code, prelude="") == "['gpt2tok']\nFalse\n"


def test_without_numpy_only_arrays_are_missing() -> None:
    code = """
        import sys
        sys.modules["numpy"] = None  # as if it were not installed
        import gpt2tok
        gpt2 = gpt2tok.get_encoding("gpt2")
        assert gpt2.decode(gpt2.encode("Hello")) == "Hello"
        for call in (gpt2.encode_to_numpy, lambda text: gpt2.encode_ragged([text])):
            try:
                call("a")
            except ImportError as error:
                print("pip install numpy" in str(error), type(error.__cause__).__name__)
    """
    assert run(code, prelude="") == "True ModuleNotFoundError\nTrue ModuleNotFoundError\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_started_after_threads_were_used(tmp_path: Path, method: str) -> None:
    """A child has its parent's memory, and after a fork none of its threads: it must not wait for them."""
    script = tmp_path / "main.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing, sys
        import gpt2tok

        texts = ["the quick brown fox 123 " * 40] * 500
        gpt2 = gpt2tok.get_encoding("gpt2")

        def work(number):
            ids = gpt2.encode_batch(texts, num_threads=2)
            assert gpt2.decode_batch(ids, num_threads=2) == texts
            return number, sum(map(len, ids)), gpt2.encode_ordinary("x" * 100)[:2]

        if __name__ == "__main__":
            right = work(0)[1:]
            for _ in range(2):
                with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                    assert pool.map(work, range(4)) == [(number, *right) for number in range(4)]
                assert work(0)[1:] == right
            print("done")
        """)
    )
    done = subprocess.run(
        [sys.executable, script, method], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "done\n", done.stderr[-2000:]


def test_an_encoding_travels_to_another_process() -> None:
    code = """
        import multiprocessing
        from gpt2tok import Encoding
        if __name__ == "__main__":
            vocab, merges = gpt2tok._core.gpt2_vocabulary()
            loaded = Encoding.from_vocab_and_merges(vocab, merges, special_tokens={"<x>": 50300}, name="mine")
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                for encoding in (gpt2, loaded):
                    assert pool.apply(encoding.encode_ordinary, ("Hello " * 9,)) == gpt2.encode_ordinary("Hello " * 9)
            print("done")
    """
    assert run(code) == "done\n"


def test_a_fork_in_the_middle_of_a_batch() -> None:
    """Another thread is encoding on the pool while this one forks; parent and child both go on."""
    code = """
        right = gpt2.encode_batch(texts, num_threads=2)
        stop = False
        def busy():
            while not stop:
                assert gpt2.count_batch(texts * 4, num_threads=2)[0] == len(right[0])
        worker = threading.Thread(target=busy)
        worker.start()
        for attempt in range(12):
            time.sleep(0.004 * (attempt % 4))
            child = os.fork()
            if not child:
                signal.alarm(20)  # kills a child that hangs
                good = gpt2.encode_batch(texts, num_threads=1 + attempt % 3) == right
                os._exit(0 if good and gpt2.encode_ordinary("x" * 99) else 1)
            _, status = os.waitpid(child, 0)
            assert status == 0, (attempt, status)
        stop = True
        worker.join()
        assert gpt2.encode_batch(texts, num_threads=2) == right
        print("done")
    """
    assert run(code) == "done\n"


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="needs a system that lists a process's threads"
)
def test_a_fork_ends_idle_threads_and_warns_of_none() -> None:
    """Python 3.12 and later warn of a fork of a process with threads: those of a pool that waits must not be why."""
    code = """
        import warnings
        right = gpt2.encode_batch(texts, num_threads=2)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for attempt in range(30):
                assert gpt2.encode_batch(texts, num_threads=2 + attempt % 2) == right
                assert len(os.listdir("/proc/self/task")) > 2
                child = os.fork()
                if not child:
                    os._exit(0 if gpt2.encode_batch(texts, num_threads=2) == right else 1)
                assert len(os.listdir("/proc/self/task")) == 1
                assert os.waitpid(child, 0)[1] == 0
        assert not warned, warned
        print("done")
    """
    assert run(code) == "done\n"


def test_a_fork_while_another_thread_builds_what_is_built_once() -> None:
    """An encoding's first long pretoken builds a table. A child forked meanwhile must not wait for it for ever."""
    code = """
        for attempt in range(4):
            fresh = gpt2tok.Encoding.gpt2()
            worker = threading.Thread(target=fresh.encode_ordinary, args=("x" * 5000,))
            worker.start()
            time.sleep(0.003 * attempt)
            child = os.fork()
            if not child:
                signal.alarm(5)  # kills a child that hangs
                os._exit(0 if fresh.encode_ordinary("y" * 99) == gpt2.encode_ordinary("y" * 99) else 1)
            _, status = os.waitpid(child, 0)
            assert status == 0, (attempt, status)
            worker.join()
        print("done")
    """
    assert run(code) == "done\n"


def test_many_threads_on_one_encoding() -> None:
    """Threads of Python's that each use threads of the pool, and a stream each."""
    code = """
        from concurrent.futures import ThreadPoolExecutor
        right = [gpt2.encode_ordinary(text) for text in texts]
        def work(seed):
            generator = random.Random(seed)
            some = generator.sample(range(len(texts)), 400)
            ids = gpt2.encode_batch([texts[i] for i in some], num_threads=1 + seed % 3)
            stream = gpt2.decode_stream()
            text = "".join(map(stream.step, ids[0])) + stream.finish()
            return ids == [right[i] for i in some] and text == texts[some[0]]
        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(work, range(64)))
        print("done")
    """
    assert run(code) == "done\n"


def test_the_interpreter_s_lock_is_released() -> None:
    """A thread of Python's makes progress while long calls run. Held, the lock would let it count to one or two."""
    code = """
        big = ["".join(generator.choices("0123456789", k=100_000)) for _ in range(40)]
        one = "".join(big)
        ids = gpt2.encode_ordinary(one)
        for call in (
            lambda: gpt2.encode_batch(big, num_threads=1), lambda: gpt2.encode_batch(big, num_threads=2),
            lambda: gpt2.count_batch(big, num_threads=1), lambda: gpt2.encode_ordinary(one), lambda: gpt2.count(one),
        ):
            count, stop = 0, False
            def counting():
                global count
                while not stop:
                    time.sleep(0.001)
                    count += 1
            thread = threading.Thread(target=counting)
            thread.start()
            start, before = time.perf_counter(), count
            call()
            counted, took = count - before, time.perf_counter() - start
            stop = True
            thread.join()
            assert counted > 10 * min(took, 1.0), (counted, took)
            assert took > 0.02, "too quick to say anything"
        print("done")
    """
    assert run(code) == "done\n"


# What to interrupt: seconds of work each, made of texts that are slow to encode (random digits, letters).
WORK = {
    "many short texts, one thread": 'lambda: gpt2.encode_batch([digits[:1000]] * 60_000, num_threads=1)',
    "many short texts, two threads": 'lambda: gpt2.encode_batch([digits[:1000]] * 120_000, num_threads=2)',
    "middling texts, one thread": 'lambda: gpt2.encode_batch([digits] * 600, num_threads=1)',
    "ragged, two threads": 'lambda: gpt2.encode_ragged([digits] * 1200, num_threads=2)',
    "counting, one thread": 'lambda: gpt2.count_batch([digits] * 600, num_threads=1)',
    "counting, two threads": 'lambda: gpt2.count_batch([digits] * 1200, num_threads=2)',
    "one long text": 'lambda: gpt2.encode_ordinary((digits[:99] + " ") * 600_000)',
    "special tokens in it": 'lambda: gpt2.encode(("<|endoftext|>" + digits[:999]) * 60_000, allowed_special="all")',
    "added tokens looked for": 'lambda: with_names(words * 3000)',
    "added tokens alone": 'lambda: with_names("@" * 100_000_000)',
    "offsets around added tokens": 'lambda: with_names(words * 3000, return_offsets_mapping=True)',
    "special tokens looked for": 'lambda: many_names.encode(words * 3000)',
    "one long pretoken": 'lambda: gpt2.encode_ordinary(digits * 600)',
    "one long pretoken of many segments": 'lambda: gpt2.encode_ordinary(letters * 1000)',
    "counting one long pretoken": 'lambda: gpt2.count(letters * 1000)',
    "offsets": 'lambda: gpt2.encode_with_offsets((digits[:99] + " ") * 600_000)',
    "offsets beyond ASCII": 'lambda: [gpt2.encode_with_offsets("\u4e2d\u6587, \u00e9 " * 3_000_000) for _ in range(9)]',
    "reading ids": 'lambda: gpt2.decode_bytes(itertools.repeat(262, 10**12))',
    "decoding an array": 'lambda: [gpt2.decode(many) for _ in range(100)]',
    "decoding arrays, one thread": 'lambda: gpt2.decode_batch([many] * 100, num_threads=1)',
    "decoding arrays, two threads": 'lambda: gpt2.decode_batch([many] * 100, num_threads=2)',
    "decoding to many strings": 'lambda: gpt2.decode_ragged(many, np.arange(len(many) + 1))',
    "decoding to bytes of tokens": 'lambda: gpt2.decode_tokens_bytes(many)',
    "decoding with offsets": 'lambda: gpt2.decode_with_offsets(many)',
}  # fmt: skip


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_ctrl_c_answers_and_leaves_the_process_usable(work: str) -> None:
    """On a quiet machine in 0.2 s; a second is allowed here. The work would go on for seconds more."""
    code = """
        import itertools
        import numpy as np
        digits = "".join(generator.choices("0123456789", k=100_000))
        letters = "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=100_000))
        many = np.full(20_000_000, 262, np.uint32)
        words = "low lower " * 10_000
        # So many names that they are looked for byte by byte.
        names = [chr(97 + number % 26) + "z" + str(number) for number in range(300)]
        with_names = gpt2tok.GPT2TokenizerFast.from_pretrained("gpt2", model_max_length=10**12)
        with_names.add_tokens(["@", *names])
        many_names = gpt2tok.Encoding.from_vocab_and_merges(
            *gpt2tok._core.gpt2_vocabulary(), special_tokens=dict(zip(names, range(50300, 50600))), name="x"
        )
        gpt2.encode_ordinary(digits)
        work = eval(sys.argv[1])
        # From the system's clock, so that a call that holds the interpreter's lock cannot put it off.
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.25)
        start = time.perf_counter()
        try:
            work()
        except KeyboardInterrupt:
            print(f"answered {time.perf_counter() - start - 0.25:.3f}")
        else:
            print("was not interrupted")
        assert gpt2.encode("Hello, world!") == [15496, 11, 995, 0]
        assert gpt2.encode_batch(texts, num_threads=2) == gpt2.encode_batch(texts, num_threads=1)
        print("usable")
    """
    for _ in range(3):  # a machine with other work may stand still for a second: hardly three times
        answer, *rest = run(code, work).splitlines()
        assert rest == ["usable"]
        assert answer.startswith("answered"), answer
        if float(answer.split()[1]) < 1.0:
            return
    pytest.fail(f"{answer} s after Ctrl-C, and no sooner twice before")


def test_a_signal_handler_may_encode_and_the_call_goes_on() -> None:
    """A handler that raises nothing does not end the work; what it encodes does not mix with it."""
    code = """
        digits = "".join(generator.choices("0123456789", k=4_000_000))
        right = gpt2.count(digits)
        inside = []
        signal.signal(signal.SIGALRM, lambda *_: inside.append(gpt2.encode_ordinary("x" * 100)))
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        assert gpt2.count(digits) == right
        assert len(gpt2.encode_ordinary(digits)) == right
        assert gpt2.count_batch([digits, digits], num_threads=2) == [right, right]
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert len(inside) > 3 and all(ids == gpt2.encode_ordinary("x" * 100) for ids in inside)
        print("done")
    """
    assert run(code) == "done\n"


def test_a_signal_handler_s_own_error_comes_out() -> None:
    code = """
        digits = "".join(generator.choices("0123456789", k=100_000))
        def handler(*_):
            raise LookupError("mine")
        for threads in (1, 2):
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            try:
                gpt2.count_batch([digits * 3] * 400, num_threads=threads)
            except LookupError as error:
                print(error)
    """
    assert run(code) == "mine\nmine\n"


def test_the_process_ends_while_a_thread_is_encoding() -> None:
    """A daemon thread deep in the core when the interpreter goes away: no hang, no crash."""
    code = """
        digits = "".join(generator.choices("0123456789", k=100_000))
        for threads in (1, 2):
            work = lambda threads=threads: gpt2.count_batch([digits] * 2000, num_threads=threads)
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
        print("done")
    """
    assert run(code, timeout=60) == "done\n"
