//! What does each stage of encoding cost? `cargo bench -p gpt2tok-core` in `rust/`; `GPT2TOK_BENCH_TEXT=FILE` for a text
//! of your own (otherwise this crate's own sources and the scripts of many languages).

#![allow(clippy::unwrap_used)] // a benchmark that cannot read its text should stop

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gpt2tok_core::pretokenize::pretokens;
use gpt2tok_core::{Encoding, Method, Scratch};

fn texts() -> Vec<(&'static str, String)> {
    if let Ok(path) = std::env::var("GPT2TOK_BENCH_TEXT") {
        return vec![("given", std::fs::read_to_string(path).unwrap())];
    }
    let sources = [
        include_str!("../src/bpe/mod.rs"),
        include_str!("../src/bpe/linear.rs"),
        include_str!("../src/special.rs"),
        include_str!("../src/vocab/compile.rs"),
        include_str!("../src/batch/mod.rs"),
    ];
    let scripts = "All human beings are born free. 人人生而自由，在尊严和权利上一律平等。すべての人間は、生まれながらにして自由であり、\
                   Все люди рождаются свободными и равными. सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता. \
                   يولد جميع الناس أحراراً متساوين في الكرامة والحقوق. 모든 인간은 태어날 때부터 자유로우며 ";
    vec![("code", sources.concat().repeat(8)), ("scripts", scripts.repeat(500))]
}

fn stages(criterion: &mut Criterion) {
    let gpt2 = Encoding::gpt2();
    for (name, text) in texts() {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(20);
        group.bench_function("scan", |bencher| bencher.iter(|| pretokens(black_box(&text)).count()));
        group.bench_function("encode", |bencher| {
            let (mut scratch, mut ids) = (Scratch::default(), Vec::with_capacity(text.len()));
            bencher.iter(|| {
                ids.clear();
                gpt2.encode_ordinary_into(black_box(&text), &mut scratch, &mut ids, &|| true)
            });
        });
        let ids = gpt2.encode_ordinary(&text);
        group.bench_function("decode", |bencher| bencher.iter(|| gpt2.decode_bytes(black_box(&ids))));
        group.finish();
    }
}

fn methods(criterion: &mut Criterion) {
    let gpt2 = Encoding::gpt2();
    let letters: Vec<u8> = (0u32..1 << 16).map(|i| b'a' + (i.wrapping_mul(2_654_435_761) >> 24) as u8 % 26).collect();
    let mut group = criterion.benchmark_group("merge");
    for (name, method, len) in [
        ("naive/16", Method::Naive, 16),
        ("short/16", Method::Short, 16),
        ("linear/16", Method::Linear, 16),
        ("heap/16", Method::Heap, 16),
        ("short/32", Method::Short, 32),
        ("linear/32", Method::Linear, 32),
        ("heap/65536", Method::Heap, 1 << 16),
        ("windows/65536", Method::Windows, 1 << 16),
        ("linear/65536", Method::Linear, 1 << 16),
    ] {
        let mut scratch = Scratch::default();
        group.throughput(Throughput::Bytes(1 << 16)).sample_size(10);
        group.bench_function(name, |bencher| {
            bencher.iter(|| -> usize {
                letters.chunks(len).map(|segment| gpt2.merge_by(method, black_box(segment), &mut scratch).len()).sum()
            });
        });
    }
    group.finish();
}

fn load(criterion: &mut Criterion) {
    criterion.bench_function("load/gpt2", |bencher| bencher.iter(Encoding::gpt2));
}

criterion_group!(benches, stages, methods, load);
criterion_main!(benches);
