"""Saves are whole or not at all: under faults, limits and signals, judged by what the directory holds."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from gpt2tok import files

OLD, NEW = b"old content\n", b"new content, longer than the old\n"


def holds(directory: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in directory.iterdir() if entry.is_file()}


def in_process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_writes_new_and_replaces_old(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "a", NEW)
    files.write_atomically(str(tmp_path / "a"), OLD)
    files.write_atomically(tmp_path / "empty", b"")
    assert holds(tmp_path) == {"a": OLD, "empty": b""}


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_gets_the_umask_s_permissions(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        files.write_atomically(tmp_path / "a", NEW)
        files.write_files_atomically(tmp_path, {"b": NEW})
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"} == {mode}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o604, 0o755, 0o666])
def test_an_existing_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(OLD)
        (tmp_path / name).chmod(mode)
    files.write_atomically(tmp_path / "a", NEW)
    files.write_files_atomically(tmp_path, {"b": NEW})
    assert holds(tmp_path) == {"a": NEW, "b": NEW}
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"} == {mode}


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    real.mkdir()
    (real / "a").write_bytes(OLD)
    (tmp_path / "link").symlink_to(real / "a")
    (tmp_path / "dangling").symlink_to(real / "b")
    files.write_atomically(tmp_path / "link", NEW)
    files.write_atomically(tmp_path / "dangling", NEW)
    files.write_files_atomically(tmp_path, {"link": OLD})
    assert (tmp_path / "link").is_symlink() and (tmp_path / "dangling").is_symlink()
    assert holds(real) == {"a": OLD, "b": NEW}


def test_a_device_and_a_pipe_are_written_straight(tmp_path: Path) -> None:
    files.write_atomically(os.devnull, NEW)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode), (
        "a save to the null device must not replace it by a file"
    )
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        files.write_atomically(fifo, NEW)
        assert reader.communicate(timeout=60)[0] == NEW
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_the_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(OLD)
    with files.open_atomically(target) as file:
        file.write(NEW[:5])
        file.flush()
        assert target.read_bytes() == OLD
        file.write(NEW[5:])
    assert holds(tmp_path) == {"a": NEW}


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "reading failed", "input.txt"), KeyboardInterrupt(), ValueError("x")]
)
def test_a_block_that_raises_saves_nothing_and_raises_its_own_error(
    tmp_path: Path, error: BaseException
) -> None:
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(type(error)) as caught, files.open_atomically(tmp_path / "a") as file:
        file.write(NEW)
        raise error
    assert caught.value is error
    assert holds(tmp_path) == {"a": OLD}


@pytest.mark.parametrize("function", ["open", "fsync", "replace", "fchmod", "link"])
@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_fault_at_any_step_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, fault: BaseException, after: bool
) -> None:
    """`after`: the system call succeeds and the fault comes before its result is seen, as a signal may."""
    real = getattr(os, function)
    calls = 0

    def faulty(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == at:
            if after:
                real(*arguments, **named)
            raise fault
        return real(*arguments, **named)

    for at in (1, 2):
        calls = 0
        for name in "ab":
            (tmp_path / name).write_bytes(OLD)
        with monkeypatch.context() as patch:
            patch.setattr(os, function, faulty)
            if isinstance(fault, OSError) and function in ("fchmod", "link"):
                files.write_files_atomically(tmp_path, {"a": NEW, "b": NEW})  # not worth failing for
                expected = NEW
            else:
                with pytest.raises(type(fault)):
                    files.write_files_atomically(tmp_path, {"a": NEW, "b": NEW})
                expected = OLD
        assert calls >= at
        assert holds(tmp_path) == dict.fromkeys("ab", expected)


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_ctrl_c_after_the_last_rename_leaves_the_new_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(OLD)
    unlink, calls = os.unlink, 0

    def faulty(path: str) -> None:
        nonlocal calls
        calls += 1
        if calls != at or after:
            unlink(path)
        if calls == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "unlink", faulty)
    with pytest.raises(KeyboardInterrupt):
        files.write_files_atomically(tmp_path, {"a": NEW, "b": NEW})
    assert holds(tmp_path) == {"a": NEW, "b": NEW}


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("fault", [OSError(errno.EIO, "broken"), KeyboardInterrupt()], ids=repr)
def test_a_rename_that_fails_in_the_middle_puts_the_old_files_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool, at: int, fault: BaseException
) -> None:
    """Three files: one new, one there that a library writes, one there behind a symbolic link; and two go, one of them
    a link."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c").write_bytes(OLD)
    (tmp_path / "c").symlink_to(tmp_path / "elsewhere" / "c")
    (tmp_path / "s").write_bytes(OLD)
    (tmp_path / "t").symlink_to(tmp_path / "elsewhere" / "c")
    (tmp_path / "b").write_bytes(OLD)
    (tmp_path / "b").chmod(0o640)
    os.utime(tmp_path / "b", ns=(10**18, 10**18))
    new = {"a": NEW, "b": files.Writer(lambda path: Path(path).write_bytes(NEW)), "c": NEW}
    stale = ["s", "t", "missing"]
    replace, calls = os.replace, 0

    def faulty(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise fault
        replace(source, target)

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "replace", faulty)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(type(fault)):
        files.write_files_atomically(tmp_path, new, stale)
    assert holds(tmp_path) == dict.fromkeys("bcst", OLD)
    assert holds(tmp_path / "elsewhere") == {"c": OLD}
    assert (tmp_path / "c").is_symlink() and (tmp_path / "t").is_symlink()
    found = (tmp_path / "b").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o640, 10**18)
    monkeypatch.setattr(os, "replace", replace)
    files.write_files_atomically(tmp_path, new, stale)
    assert holds(tmp_path) == {"a": NEW, "b": NEW, "c": NEW}
    assert holds(tmp_path / "elsewhere") == {"c": NEW}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "b", "c", "elsewhere"]


@pytest.mark.parametrize("own", [False, True], ids=["our file", "a file of the library's own"])
@pytest.mark.parametrize("mode", [None, 0o600, 0o440, 0o666])
def test_what_a_library_writes_has_the_right_permissions(tmp_path: Path, own: bool, mode: int | None) -> None:
    if mode is not None:
        (tmp_path / "a").write_bytes(OLD)
        (tmp_path / "a").chmod(mode)
    seen = []

    def write(path: str) -> None:
        seen.append(Path(path))
        if own:
            Path(path).unlink()
        with Path(path).open("wb") as file:
            file.write(NEW)
            os.fchmod(file.fileno(), 0o604)

    before = os.umask(0o027)
    try:
        files.write_files_atomically(tmp_path, {"a": files.Writer(write, ".keras", 5)})
    finally:
        os.umask(before)
    assert holds(tmp_path) == {"a": NEW}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == (0o640 if mode is None else mode)
    assert seen[0].name.startswith(".") and seen[0].suffix == ".keras" and seen[0].parent == tmp_path


@pytest.mark.parametrize(
    "refusal, written",
    [
        (OSError(errno.ENOSPC, "full"), False),
        (OSError(errno.EOPNOTSUPP, "cannot promise"), True),
        (None, True),
    ],
)
def test_a_disk_without_room_is_refused_before_the_library_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: OSError | None, written: bool
) -> None:
    (tmp_path / "a").write_bytes(OLD)
    asked = []

    def reserve(_: int, *about: int) -> None:
        asked.append(about)
        if refusal is not None:
            raise refusal

    monkeypatch.setattr(os, "posix_fallocate", reserve, raising=False)
    sizes = []

    def write(path: str) -> None:
        sizes.append(Path(path).stat().st_size)
        Path(path).write_bytes(NEW)

    content = {"a": files.Writer(write, room=len(NEW))}
    if written:
        files.write_files_atomically(tmp_path, content)
    else:
        with pytest.raises(OSError, match="free some space"):
            files.write_files_atomically(tmp_path, content)
    assert asked == [(0, len(NEW))] and sizes == [0] * written
    assert holds(tmp_path) == {"a": NEW if written else OLD}


def test_what_cannot_be_replaced_is_known_before_a_library_writes(tmp_path: Path) -> None:
    def write(_: str) -> None:
        pytest.fail("this may take minutes")

    (tmp_path / "directory").mkdir()
    (tmp_path / "again").symlink_to(tmp_path / "a")
    for names, stale in ((["a", "directory"], []), (["a"], ["directory"]), (["again"], ["a"])):
        (tmp_path / "a").write_bytes(OLD)
        with pytest.raises(OSError, match=r"directory stands there|links to one file") as caught:
            files.write_files_atomically(tmp_path, dict.fromkeys(names, files.Writer(write)), stale)
        assert Path(str(caught.value.filename)).parent == tmp_path
        assert holds(tmp_path) == {"a": OLD, "again": OLD}


def test_what_cannot_be_put_back_is_kept_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that renames once and never again: the old content is not thrown away with the second names."""
    for name in "ab":
        (tmp_path / name).write_bytes(OLD)
    replace, calls = os.replace, 0

    def faulty(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        replace(source, target)

    monkeypatch.setattr(os, "replace", faulty)
    with pytest.raises(OSError, match=r"cannot be undone .*: its old content is in ") as caught:
        files.write_files_atomically(tmp_path, {"a": NEW, "b": NEW})
    assert caught.value.filename == str(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == NEW and (tmp_path / "b").read_bytes() == OLD
    kept = str(caught.value).split("its old content is in '")[1].split("'")[0]
    assert Path(kept).read_bytes() == OLD


@pytest.mark.parametrize("name", ["device", "pipe", "again"])
def test_of_several_files_each_is_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    (tmp_path / "vocab.json").write_bytes(OLD)
    (tmp_path / "device").symlink_to(os.devnull)
    (tmp_path / "again").symlink_to(tmp_path / "vocab.json")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="links to one file" if name == "again" else "device or pipe"):
        files.write_files_atomically(tmp_path, {"vocab.json": NEW, name: NEW})
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode) and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["again", "device", "pipe", "vocab.json"]
    assert (tmp_path / "vocab.json").read_bytes() == OLD


def test_a_directory_made_for_a_save_that_fails_goes_again(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b" / "c"
    with pytest.raises(ZeroDivisionError), files.new_directory(wanted):
        (wanted / "file").touch()
        (wanted / "file").unlink()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), files.new_directory(wanted):
        (tmp_path / "a" / "somebody else's").touch()
        raise ZeroDivisionError
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["somebody else's"]
    for _ in range(2):  # made, and then there
        with files.new_directory(wanted):
            assert wanted.is_dir()
    with pytest.raises(ZeroDivisionError), files.new_directory(wanted):
        raise ZeroDivisionError
    assert wanted.is_dir()


def test_a_directory_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(OLD)
    for path, number, mend in [
        ("file", errno.EEXIST, "a file stands there, not a directory"),
        ("file/under", errno.EEXIST, "a file stands there, not a directory"),
        ("new/" + "n" * 300, errno.ENAMETOOLONG, "choose a shorter one"),
        ("", errno.ENOENT, "choose another place"),
    ]:
        wrong = pytest.raises(OSError, match=r"cannot make the directory .*" + mend)
        with wrong as caught, files.new_directory(path):
            pytest.fail("the block must not run")
        assert caught.value.errno == number, path
    assert holds(tmp_path) == {"file": OLD} and [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_of_several_files_none_appears_unless_all_can(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_bytes(OLD)
    (tmp_path / "merges.txt").mkdir()
    with pytest.raises(IsADirectoryError, match="a directory stands there"):
        files.write_files_atomically(tmp_path, {"vocab.json": NEW, "merges.txt": NEW})
    assert holds(tmp_path) == {"vocab.json": OLD}
    (tmp_path / "merges.txt").rmdir()
    files.write_files_atomically(tmp_path, {"vocab.json": NEW, "merges.txt": NEW})
    assert holds(tmp_path) == {"vocab.json": NEW, "merges.txt": NEW}


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "/a", "a\0b"])
def test_a_name_outside_the_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        files.write_files_atomically(tmp_path, {"good": NEW, name: NEW})
    assert holds(tmp_path) == {}


@pytest.mark.parametrize(
    "path, number, mend",
    [
        ("file/under/it", errno.ENOTDIR, "a part of the path is a file"),
        ("no/such/a", errno.ENOENT, "create it first"),
        ("directory", errno.EISDIR, "give the path of a file"),
        ("n" * 300, errno.ENAMETOOLONG, "choose a shorter one"),
        ("loop", errno.ELOOP, "check the path"),
    ],
)
def test_errors_say_what_where_and_how_to_mend(tmp_path: Path, path: str, number: int, mend: str) -> None:
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for save in (
        lambda: files.write_atomically(tmp_path / path, NEW),
        lambda: files.write_files_atomically((tmp_path / path).parent, {(tmp_path / path).name: NEW}),
    ):
        with pytest.raises(OSError, match=mend) as caught:
            save()
        assert caught.value.errno == number
        assert caught.value.filename == str(tmp_path / path)
        assert os.strerror(number) in str(caught.value)
    assert holds(tmp_path) == {"file": OLD}


def test_an_unwritable_directory_raises_permission_error() -> None:
    # /proc refuses new files even to root, whom permission bits do not stop.
    with pytest.raises(OSError, match=r"cannot save .*'/proc/gpt2tok-test'"):
        files.write_atomically("/proc/gpt2tok-test", NEW)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    save = """
        import resource, sys
        from gpt2tok import files
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            if sys.argv[2] == "one":
                files.write_atomically(sys.argv[1] + "/a", bytes(1_000_000))
            else:
                files.write_files_atomically(sys.argv[1], {"b": b"fits", "a": bytes(1_000_000)})
        except OSError as error:
            print(error)
    """
    for how in ("one", "several"):
        done = in_process(save, tmp_path, how)
        assert "cannot save (File too large)" in done.stdout and str(tmp_path / "a") in done.stdout, (
            done.stderr
        )
        assert "the old file, if there was one, is untouched" in done.stdout
        assert holds(tmp_path) == {"a": OLD}
    with pytest.raises(OSError, match="free some space"):
        files.write_atomically("/dev/full", NEW)


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_a_reader_never_sees_a_part_whenever_the_writer_dies(tmp_path: Path, signal_number: int) -> None:
    target = tmp_path / "a"
    save_for_ever = """
        import sys
        from gpt2tok import files
        files.write_atomically(sys.argv[1], b"0" * 3_000_000)
        print("ready", flush=True)
        n = 0
        while True:
            n += 1
            files.write_atomically(sys.argv[1], b"%d" % (n % 10) * 3_000_000)
    """
    for attempt in range(4):
        command = [sys.executable, "-c", textwrap.dedent(save_for_ever), target]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
            for _ in range(20):
                content = target.read_bytes()
                assert len(content) == 3_000_000 and content.count(content[:1]) == len(content)
            time.sleep(attempt * 0.003)
            writer.send_signal(signal_number)
            writer.wait(timeout=60)
        content = target.read_bytes()
        assert len(content) == 3_000_000 and content.count(content[:1]) == len(content)
        if signal_number == signal.SIGINT:
            assert [entry.name for entry in tmp_path.iterdir()] == ["a"], "Ctrl-C leaves no temporary file"
