"""What the tests share: GPT-2's encoding, the two libraries that judge it, and real text.

Both oracles are built from files' contents, without a network. That these are GPT-2's own is a test of its own
(`test_embedded_vocabulary.py`, by the published sums). Refuses to hold helpers of a single test module.
"""

from __future__ import annotations

import json
import signal
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import gpt2tok
from gpt2tok._core import gpt2_vocabulary
from model_suites import Suite, running

if TYPE_CHECKING:
    import tiktoken
    import tokenizers

# A shell that starts the tests in the background makes them, and every process they start, deaf to Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Deterministic: the same examples in every run. Long random runs are fuzzing's business.
settings.register_profile(
    "gpt2tok",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("gpt2tok")

DATA = Path(__file__).parent / "data"


def _backend_of(item: pytest.Item) -> str | None:
    """The backend whose model suite this test waits for."""
    if item.path.name != "test_model_backends.py":
        return None
    return str(item.callspec.params["backend"])  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that wait for the model suites come last: the suites run beside all others."""
    items.sort(key=lambda item: _backend_of(item) is not None)


@pytest.fixture(scope="session", autouse=True)
def model_suites(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Suite]]:
    """The model suites of the backends that were selected, running since the session's first test."""
    selected = {backend for backend in map(_backend_of, request.session.items) if backend is not None}
    with running(selected, tmp_path_factory.mktemp("suites")) as suites:
        yield suites


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The closing lines of the runs that tests start: the model suite has one for each backend."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "closing line" and report.when == "call":
                terminalreporter.write_line(str(value))


@pytest.fixture(scope="session")
def gpt2() -> gpt2tok.Encoding:
    """The encoding under test."""
    return gpt2tok.get_encoding("gpt2")


@pytest.fixture(scope="session")
def tiktoken_gpt2() -> tiktoken.Encoding:
    """tiktoken's GPT-2, with tiktoken's own pattern; ranks are ids, as in its own table."""
    import tiktoken
    from tiktoken_ext.openai_public import r50k_pat_str

    ranks = {token: rank for rank, token in gpt2tok.get_encoding("gpt2").token_bytes()}
    return tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256}
    )


@pytest.fixture(scope="session")
def tokenizers_gpt2() -> tokenizers.Tokenizer:
    """tokenizers' GPT-2 without added tokens or post-processing: offsets come untrimmed."""
    import tokenizers
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel

    vocab, merges = gpt2_vocabulary()
    tokenizer = tokenizers.Tokenizer(BPE(vocab, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return tokenizer


@pytest.fixture(scope="session")
def multilingual() -> list[str]:
    """The Universal Declaration of Human Rights in 193 languages, a few lines each."""
    lines = (DATA / "multilingual.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="session")
def library_sources() -> list[str]:
    """About 3 MB of the interpreter's own standard library, whole files."""
    texts: list[str] = []
    size = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        text = path.read_text("utf-8", errors="replace")
        texts.append(text)
        size += len(text)
        if size > 3_000_000:
            break
    return texts
