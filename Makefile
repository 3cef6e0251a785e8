# The project's single door: `make help` says what it opens. Every target makes the virtual environment it needs, from
# nothing, and brings it up to date when requirements or sources have changed (scripts/make_environment.py).

PYTHON ?= python3
MINUTES ?= 10
PYTEST_ARGS ?=
BENCH_ARGS ?=
DEMO_ARGS ?=
TRUST_ARGS ?= --kills 1000 --model-kills 1000 --forks 1000 --interrupts 200 --minutes 10
TEXTS ?= 10000000
GROWTH_ARGS ?= --time --most 100000000 --memory --texts 10000000

DEMO := .venv-demo
# TensorFlow with TensorFlow Text comes for these versions of Python; the others are shown tokenization alone.
DEMO_EXTRAS ?= $(shell $(PYTHON) -c 'import sys; print("model tf stats" * ((3, 11) <= sys.version_info[:2] <= (3, 13)))')
TEST := .venv-test
BENCH := .venv-bench
BENCH_MODEL := .venv-bench-model
WHEEL := .venv-wheel
DIFFERENCES := fuzz/target/release/examples/differences
FUZZ_SECONDS = $(shell $(PYTHON) -c 'print(max(1, round(60 * float("$(MINUTES)"))))')

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-core bench-tf bench-train bench-model fuzz fuzz-smoke fuzz-serve trust asan deny \
	wheel-check picture proof proof-model clean toolchain demo-environment test-environment bench-environment \
	bench-model-environment

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18
	@echo 'PYTHON=/path/to/python3 chooses the interpreter (3.10 or newer; now: $(PYTHON)).'

demo: demo-environment ## the whole road: train a vocabulary and a small GPT-2, export it, let it write (minutes; then kept)
	@$(DEMO)/bin/python scripts/demo $(DEMO_ARGS)

test: test-environment ## every test: pytest, then cargo test (PYTEST_ARGS='-k name' for some)
	@status=0; \
	$(TEST)/bin/python -m pytest $(PYTEST_ARGS) || status=1; \
	(cd rust && PYO3_PYTHON="$(CURDIR)/$(TEST)/bin/python" cargo test --workspace) || status=1; \
	exit $$status

lint: test-environment ## formatting, clippy, ruff, mypy, and the stubs against the built module
	cd rust && cargo fmt --check
	cd rust && PYO3_PYTHON="$(CURDIR)/$(TEST)/bin/python" cargo clippy --workspace --all-targets -- -D warnings
	$(TEST)/bin/python -m ruff check
	$(TEST)/bin/python -m ruff format --check
	$(TEST)/bin/python -m mypy
	$(TEST)/bin/python -m mypy.stubtest gpt2tok._core

bench: bench-environment ## encoding and decoding beside seven other libraries, a table (BENCH_ARGS=--help)
	@$(BENCH)/bin/python tests/benchmarks/bench_encode.py $(BENCH_ARGS)

bench-core: toolchain ## the Rust core alone, stage by stage
	cd rust && cargo bench -p gpt2tok-core

bench-tf: test-environment ## the in-graph tokenizer beside keras-hub
	@$(TEST)/bin/python tests/benchmarks/bench_tf.py $(BENCH_ARGS)

bench-train: bench-environment ## training speed and memory beside tokenizers, gigabpe, gigatoken, rustbpe and bpeasy
	$(BENCH)/bin/python tests/benchmarks/bench_train.py $(BENCH_ARGS)

bench-model: bench-model-environment ## the model beside transformers, keras-hub, CTranslate2; memory of loading gpt2-xl: over an hour
	@for file in tests/benchmarks/bench_model.py tests/benchmarks/bench_model_loading.py tests/benchmarks/bench_generate.py; do echo "== $$file"; $(BENCH_MODEL)/bin/python "$$file" || exit 1; done

fuzz: test-environment ## fuzz every target and the round trip for MINUTES=10 each
	PYTHON="$(CURDIR)/$(TEST)/bin/python" bash fuzz/run.sh $(FUZZ_SECONDS)
	$(TEST)/bin/python fuzz/roundtrip.py --minutes $(MINUTES)

fuzz-smoke: test-environment ## the same for 15 seconds each
	@$(MAKE) --no-print-directory fuzz MINUTES=0.25

trust: test-environment ## kills, forks, Ctrl-C, threads, growth, TEXTS four ways and beside tiktoken: hours (TRUST_ARGS= for a few of each)
	$(TEST)/bin/python fuzz/processes.py $(TRUST_ARGS)
	$(TEST)/bin/python fuzz/growth.py $(GROWTH_ARGS)
	cargo build --release --manifest-path fuzz/Cargo.toml --example differences
	$(DIFFERENCES) texts $(TEXTS)
	$(DIFFERENCES) scalars
	$(DIFFERENCES) print $(TEXTS) 1 | $(TEST)/bin/python fuzz/beside_tiktoken.py --tokenizers-every 20

asan: toolchain ## the core's own tests under AddressSanitizer (a build of their own: minutes)
	cd rust && RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test -p gpt2tok-core --tests \
		--target "$$(rustc -vV | sed -n 's/^host: //p')" --target-dir target/asan

deny: toolchain ## licences, sources and versions of every crate, by rust/deny.toml (installs cargo-deny if it is missing)
	cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
	for part in rust fuzz; do cargo deny --manifest-path $$part/Cargo.toml --config rust/deny.toml check bans licenses sources || exit 1; done

wheel-check: toolchain ## build this Python's wheel and the one for all, and let abi3audit and twine look at them
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet abi3audit twine maturin
	rm -rf build/wheel
	$(WHEEL)/bin/maturin build --release --quiet --interpreter $(WHEEL)/bin/python --out build/wheel
	$(WHEEL)/bin/maturin build --release --quiet --features pyo3/abi3-py310 --out build/wheel
	$(WHEEL)/bin/abi3audit --strict --verbose build/wheel/*-abi3-*.whl
	$(WHEEL)/bin/twine check --strict build/wheel/*.whl

fuzz-serve: test-environment ## 10,000 mutated requests to `gpt2tok serve`, and as many calls of the loaded signatures
	$(TEST)/bin/python tests/serve/fuzz_server.py

proof-model: test-environment ## on each backend 1,000 random generations beside the plain way and transformers, then the long model tests: hours
	@for backend in jax tensorflow torch; do \
	KERAS_BACKEND=$$backend $(TEST)/bin/python tests/model/long_generation.py || exit 1; \
	KERAS_BACKEND=$$backend $(TEST)/bin/python -m pytest tests/model --long -m long || exit 1; \
	done

proof: test-environment ## the in-graph tokenizer on 2 million texts, four ways: half an hour (FILES='TEXTS.jsonl ...' for more)
	$(TEST)/bin/python tests/tf/whole_proof.py $(FILES)

picture: demo-environment ## draw docs/show.svg again
	$(DEMO)/bin/python scripts/draw_show.py

clean: ## remove the environments and everything built
	rm -rf $(DEMO) $(TEST) $(BENCH) $(BENCH_MODEL) $(WHEEL) rust/target fuzz/target build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python scripts tests fuzz -name __pycache__ -type d -prune -exec rm -rf {} +

toolchain:
	@sh scripts/check_toolchain.sh $(PYTHON)

demo-environment: toolchain
	@$(PYTHON) scripts/make_environment.py $(DEMO) $(DEMO_EXTRAS)

test-environment: toolchain
	@$(PYTHON) scripts/make_environment.py $(TEST) test

bench-environment: toolchain
	@$(PYTHON) scripts/make_environment.py $(BENCH) bench bench-train

bench-model-environment: toolchain
	@$(PYTHON) scripts/make_environment.py $(BENCH_MODEL) bench-model
