"""Can the encoding benchmark be trusted? Its pieces, each against something worked out by hand; no speed is tested.

Owns tests/benchmarks/encode_*.py: texts are the same each time, ratios are right on made-up figures, who is missing or
has other ids is named, and each library that is installed gives tiktoken's ids.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import bench_encode  # noqa: E402
import encode_libraries  # noqa: E402
import encode_run  # noqa: E402
import encode_workloads  # noqa: E402
import encode_worst  # noqa: E402
from encode_chart import chart  # noqa: E402
from encode_report import aim, rows, table  # noqa: E402
from encode_workloads import SHORT, Workload, chosen, halves  # noqa: E402

THERE, MISSING = encode_run.installed()
SMALL = Workload(
    "small",
    ["It's 1,024 naïve words.\n\n  'Twas 日本語 🙂", "def f(x):\n\treturn x  # done"],
    ["Others — they're new: 你好世界", " " * 40 + "!" * 40 + "a" * 40],
)
MACHINE = {
    "machine": "x86_64, a processor, 2 cores, used: 1",
    "python": "3.11",
    "rounds": "5",
    "libraries": "a 1",
    "clock": "wall",
}


def figure(library: str, *values: float, **row: Any) -> dict[str, Any]:
    usual = {
        "part": "encode",
        "workload": "English, 1+1 MB",
        "measure": "first",
        "unit": "MB/s",
        "threads": 1,
    }
    return {**usual, **row, "library": library, "values": list(values)}


def test_the_workloads_are_the_same_each_time_and_their_halves_share_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Parsing all of the standard library would take a while.
    monkeypatch.setattr(encode_workloads, "MOST", 300_000)
    made = chosen()
    assert made == chosen()
    assert [aim("encode", workload.name, "first")[0] for workload in made] == [2.5, 2.5, 4.0, 3.0]
    for workload in made:
        assert not set(workload.first) & set(workload.second), workload.name
        assert min(workload.sizes) > 50_000, workload.name


def test_texts_of_the_user_are_read_in_all_four_forms(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": text}) + "\n" for text in ("one", "two", "two", ""))
    files = {"a.jsonl": lines.encode(), "b.jsonl.gz": gzip.compress(lines.encode()), "c.txt": b"x" * 25_000}
    files["d.txt.gz"] = gzip.compress(files["c.txt"] + "é".encode())
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name in ("a.jsonl", "b.jsonl.gz"):
        (workload,) = chosen("mine", [f"Mine={tmp_path / name}"])
        assert (workload.name, {*workload.first, *workload.second}) == ("Mine", {"one", "two"})
        assert chosen(name, [str(tmp_path / name)])[0].name == name
    assert sum(chosen("d.txt", [str(tmp_path / "d.txt.gz")])[0].sizes) == 10_000 + 5_002
    with pytest.raises(SystemExit, match="two different texts"):
        halves("few", ["same", "same"])


@pytest.mark.parametrize("kind", encode_worst.WORST)
def test_worst_texts_have_the_size_asked_for_and_are_the_same_each_time(kind: str) -> None:
    for size in (1_000, 3_000_000):
        text = encode_worst.made(kind, size, 1)
        assert text == encode_worst.made(kind, size, 1)
        assert size * 0.89 < len(text.encode()) <= size, (kind, size)
    assert encode_worst.made(kind, 5_000, 1) != encode_worst.made(kind, 5_000, 3)


def test_distinct_words_are_distinct() -> None:
    words = " ".join(encode_worst.distinct_words(number, 20_000) for number in (0, 1, 99)).split(" ")
    assert len(words) == len(set(words)) == 60_000


def test_ratios_are_of_medians_and_to_the_best_peer() -> None:
    found = rows(
        [
            figure("gpt2tok", 300, 100, 200),
            figure("slow", 10, 20, 30),
            figure("quick", 90, 80, 85),
            figure("quick, loop", 70, 100, 110),
            figure("gpt2tok", 380, threads=2),
            figure("quick", 120, threads=2),
            figure("gpt2tok", 0.3, part="call", measure="one to list", unit="us"),
            figure("quick", 0.6, part="call", measure="one to list", unit="us"),
            figure("slow", 0.4, part="call", measure="one to list", unit="us"),
            figure("gpt2tok", 4, part="start", measure="load GPT-2", unit="ms"),
            figure("quick", 2, part="start", measure="load GPT-2", unit="ms"),
        ]
    )
    first, both, call, load, threads = found
    assert first.values["gpt2tok"] == (200, 100, 300)
    assert (first.values["quick"][0], first.best, first.ratio) == (100, "quick", 2.0)
    assert (first.reach, first.reached) == (2.5, False)
    assert (both.best, both.ratio) == ("quick", 380 / 120)
    assert (call.best, call.ratio, call.reached) == ("slow", 0.3 / 0.4, False)
    assert (load.ratio, load.reached) == (4, True)  # milliseconds, whatever the others need
    assert (threads.measure, threads.ratio, threads.reached) == ("two threads over one", 1.9, True)
    assert threads.values["quick"][0] == 1.2


def test_the_worst_texts_are_held_against_english_of_the_same_size() -> None:
    def rate(kind: str, number: float) -> dict[str, Any]:
        return figure("gpt2tok", number, part="worst", measure="rate", workload=kind)

    found = rows(
        [
            rate("English, 1 KB", 100),
            rate("spaces, 1 KB", 20),
            rate("English, 1 MB", 40),
            rate("spaces, 1 MB", 20),
        ]
    )
    shares = {each.workload: (each.ratio, each.reached) for each in found if each.measure == "of English"}
    assert shares == {"spaces, 1 KB": (0.2, False), "spaces, 1 MB": (0.5, True)}


def test_the_table_shows_the_figures_of_a_row_and_whether_it_is_reached() -> None:
    lines = table(rows([figure("gpt2tok", 300, 250, 350), figure("quick", 100)])).splitlines()
    assert lines[-1].split()[:3] == ["English,", "1+1", "MB"]
    assert re.search(r"first, MB/s +300 +\(250-350\) +100 +quick +x 3.00 +>= 2.5 +reached$", lines[-1])
    alone = table(rows([figure("gpt2tok", 300)])).splitlines()[-1]
    assert re.search(r"first, MB/s +300 +\(300-300\) +- +- +>= 2.5$", alone)


def test_the_chart_is_svg_and_its_bars_are_to_scale() -> None:
    first = {"measure": "first, set up"}
    figures = [
        figure("gpt2tok", 200, **first),
        figure("gpt2tok", 400, measure="repeat"),
        figure("other", 100, **first),
    ]
    drawn = chart(rows(figures), MACHINE)
    root = ElementTree.fromstring(drawn)
    bars = {
        each.get("class"): each
        for each in root.iter()
        if each.get("height") == "13" and each.get("y") != "50"
    }
    lengths = {name: float(bar.get("width", "nan")) for name, bar in bars.items()}
    assert lengths["ours-repeat"] == pytest.approx(2 * lengths["ours-first"], abs=0.2)
    assert lengths["peer-first"] == pytest.approx(lengths["ours-first"] / 2, abs=0.2)
    assert "gpt2tok 200/400, other 100" in root.attrib["aria-label"]
    assert "prefers-color-scheme:dark" in drawn
    with pytest.raises(SystemExit, match="no encoding rates"):
        chart(rows([figure("gpt2tok", 1, part="lists")]), MACHINE)


def test_runs_turn_the_order_and_hold_each_library_once_a_round() -> None:
    order = list(encode_run.turns(["a", "b", "c", "d"], 5))
    each = [order[at : at + 4] for at in range(0, 20, 4)]
    assert [sorted(turn) for turn in each] == [["a", "b", "c", "d"]] * 5
    assert len({tuple(turn) for turn in each}) > 1


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = (encode_libraries.gigatoken, "a_package_that_nobody_has", "the-missing-one")
    monkeypatch.setitem(encode_libraries.LIBRARIES, "missing", absent)
    there, missing = encode_run.installed()
    assert "missing" not in there
    assert missing.count("the-missing-one") == 1
    assert "gpt2tok" in there


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> encode_run.Run:
    folder = tmp_path_factory.mktemp("vocabulary")
    bench_encode.write_vocabulary(folder)
    return encode_run.Run(THERE, folder, [], 1)


@pytest.mark.parametrize("library", THERE)
def test_every_call_of_each_library_that_is_installed_is_exact(library: str, running: encode_run.Run) -> None:
    tiktoken = encode_libraries.tiktoken(running.files, 1)
    calls = encode_libraries.LIBRARIES[library][0](running.files, 1)
    texts = [*SMALL.first, *SMALL.second]
    right = tiktoken["lists"](texts)
    expected = encode_libraries.id_bytes(right)
    for form in ("ids", "lists"):
        assert encode_libraries.id_bytes(calls[form](texts)) == expected, form
    for name in [name for name in calls if name.startswith("one to ")]:
        assert list(calls[name](SHORT)) == tiktoken["one to list"](SHORT), name
    forms: dict[str, Any] = {"list": right[0], "batch": right}
    if any("array" in name for name in calls):
        forms["array"] = pytest.importorskip("numpy").array(right[0], "uint32")
    for name in [name for name in calls if name.startswith("decode ")]:
        _, form, _, kind = name.split()
        answer = calls[name](forms[form])
        whole = texts if form == "batch" else texts[0]
        wanted = (
            whole
            if kind == "str"
            else [text.encode() for text in whole]
            if form == "batch"
            else texts[0].encode()
        )
        assert answer == wanted, name


def test_a_library_with_other_ids_is_named_and_left_out(
    running: encode_run.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = encode_run.Run(["gpt2tok", "tiktoken", "other"], running.files, [], 1)
    monkeypatch.setattr(run, "ask", lambda library, *_, **__: ["1", "2" if library != "other" else "3"])
    assert encode_run.exact(run, SMALL, "ids", 1) == ["gpt2tok", "tiktoken"]
    assert run.notes == ["other gives other ids than tiktoken on small: left out there"]
    assert "other gives other ids" in capsys.readouterr().err


def test_a_run_measures_writes_and_is_read_again(running: encode_run.Run, tmp_path: Path) -> None:
    run = encode_run.Run(["gpt2tok", "tiktoken"], running.files, [], 1)
    encode_run.encoding(run, SMALL)
    encode_run.decoding(run, SMALL)
    encode_run.worst(run, ["gpt2tok"], [1000], 60)
    figures = run.as_json()
    assert not run.notes
    assert all(value > 0 for figure in figures for value in figure["values"])
    measures = {(each["part"], each["measure"]) for each in figures if each["library"] == "gpt2tok"}
    assert measures >= {("encode", each) for each in ("first", "new", "repeat", "first, set up")}
    assert measures >= {("decode", "decode batch to str"), ("worst", "time(2n)/time(n)")}
    file = tmp_path / "run.json"
    machine = {**MACHINE, "load average": "0.1", "others meanwhile": "1%"}
    file.write_text(bench_encode.written({"machine": machine, "notes": ["one"], "figures": figures}))
    command = [
        sys.executable,
        BENCHMARKS / "bench_encode.py",
        "--from",
        file,
        "--chart",
        tmp_path / "chart.svg",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "small, 0.00+0.00 MB" in done.stdout
    ElementTree.parse(tmp_path / "chart.svg")


@pytest.mark.parametrize(
    "given",
    [["--parts", "nothing"], ["--rounds", "0"], ["--sizes", "many"], ["--sizes", "1"], ["--millions", "1"]],
)
def test_wrong_arguments_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        bench_encode.arguments(given)
    assert refused.value.code == 2
    assert given[0] in capsys.readouterr().err
