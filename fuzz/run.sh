#!/usr/bin/env bash
# Fuzzes every target for a while: [FUZZ_FAST=1] fuzz/run.sh SECONDS_PER_TARGET [TARGET ...]
# Installs cargo-fuzz if it is missing. Coverage-guided fuzzing needs unstable compiler flags, which RUSTC_BOOTSTRAP=1
# allows on the stable compiler; only this folder is built that way. Found inputs stay in fuzz/corpus, crashes in
# fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: fuzz/run.sh SECONDS_PER_TARGET [TARGET ...]}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(encode scan merge special decode load mutants train)

# What they gain by longer inputs they lose in number.
declare -A longest=([encode]=512 [scan]=512 [merge]=512 [special]=256 [decode]=1024 [load]=4096 [mutants]=256 [train]=512)

# FUZZ_FAST=1: without AddressSanitizer and the tracing of comparisons, which is several times as many inputs. What
# unsafe code the core has (docs/unsafe.md) is for the ordinary build to look at; overflows and debug assertions stay checked.
build=()
[ -z "${FUZZ_FAST:-}" ] || build=(--sanitizer none --no-trace-compares --target-dir fuzz/target/fast)

chmod +x fuzz/instrument.sh # an archive may have lost it
export RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER="$PWD/fuzz/instrument.sh"
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
"${PYTHON:-python3}" fuzz/make_seeds.py

failed=0
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
    log=$(mktemp)
    dictionary=()
    case $target in
    encode | scan) dictionary=(-dict=fuzz/encode.dict) ;;
    load) dictionary=(-dict=fuzz/load.dict) ;;
    esac
    if cargo fuzz run --fuzz-dir fuzz "${build[@]}" "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        "${dictionary[@]}" -max_total_time="$seconds" -max_len="${longest[$target]:-1024}" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "fuzz $target: ${runs:-0} inputs in $seconds s, no crash"
    else
        tail -n 60 "$log"
        echo "fuzz $target: FAILED, the input is under fuzz/artifacts/$target"
        failed=1
    fi
    rm -f "$log"
done
exit $failed
