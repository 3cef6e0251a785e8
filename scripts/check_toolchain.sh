#!/bin/sh
# Is everything there that building gpt2tok takes? Says in one line what to install when it is not.
#
#     scripts/check_toolchain.sh [PYTHON]
#
# Owns the list of tools: Python with venv and pip, Rust, a C compiler that links. Refuses to install anything.
set -u

python=${1:-python3}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

fail() {
    echo "gpt2tok: $1" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    fail "Python 3.10 or newer is missing ('$python' was not found): install it (Debian: apt-get install python3-venv), or give make PYTHON=/path/to/python3"
found=$("$python" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null) ||
    fail "'$python' does not run: install Python 3.10 or newer, or give make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "Python 3.10 or newer is needed and '$python' is $found: install a newer one, or give make PYTHON=/path/to/python3"
"$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
    fail "the venv module of $python $found is missing: install it (Debian: apt-get install python3-venv)"

if ! command -v cargo >/dev/null 2>&1; then
    [ -x "${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin/cargo" ] &&
        fail "Rust is installed but not on the PATH: run '. ${CARGO_HOME:-$HOME/.cargo}/env' and try again"
    fail "Rust is missing (cargo was not found): install it as https://rustup.rs says (Debian: apt-get install rustup, then rustup default stable)"
fi
rust=$(rustc --version 2>/dev/null | cut -d' ' -f2 | cut -d- -f1)
[ -n "$rust" ] ||
    fail "Rust has no toolchain to use (rustc --version fails): run 'rustup default stable'"
needed=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$here/../rust/Cargo.toml")
"$python" - "$rust" "$needed" <<'END' || fail "Rust $needed or newer is needed and rustc is $rust: run 'rustup update stable'"
import sys
sys.exit([int(n) for n in sys.argv[1].split(".")] < [int(n) for n in sys.argv[2].split(".")])
END

command -v cc >/dev/null 2>&1 ||
    fail "a C compiler is missing (cc was not found; Rust links with it): install one (Debian: apt-get install build-essential; macOS: xcode-select --install)"
program=$(mktemp) || fail "no temporary file can be made: free some space in ${TMPDIR:-/tmp}"
trap 'rm -f "$program"' EXIT
echo 'int main(void) { return 0; }' | cc -x c - -o "$program" >/dev/null 2>&1 ||
    fail "the C compiler cc cannot link a program: install its libraries (Debian: apt-get install build-essential; macOS: xcode-select --install)"
