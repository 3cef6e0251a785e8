//! Makes the tables of GPT-2's own vocabulary while this crate is compiled, for `src/bpe/embedded.rs` and
//! `src/vocab/embedded.rs` to put into the binary: loading it is then a few pointers. Owns the order of what it writes,
//! little-endian on every machine; how tables are filled is the crate's own code, the same that fills those of vocabularies
//! that are loaded.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use bpe::symbols::{Merge, Rank, Symbol, Symbols};

#[path = "src/vocab/alphabet.rs"]
#[allow(dead_code)]
mod alphabet;

#[path = "src/bpe"]
#[allow(dead_code)]
mod bpe {
    pub(crate) mod held;
    pub(crate) mod joins;
    pub(crate) mod keys;
    pub(crate) mod packed;
    pub(crate) mod pairs;
    pub(crate) mod symbols;
    pub(crate) mod whole;

    use symbols::{Merge, Symbol, Symbols};

    pub(crate) type TokenId = u32;

    /// The names of files, and the integers to write into them.
    pub(crate) type Files = Vec<(&'static str, Vec<u8>)>;

    pub(crate) fn le<T, const SIZE: usize>(integers: &[T], bytes: impl Fn(&T) -> [u8; SIZE]) -> Vec<u8> {
        integers.iter().flat_map(bytes).collect()
    }

    /// What encoding looks into.
    pub(crate) fn tables(symbols: &Symbols, ids: &[TokenId], merges: &[Merge]) -> Option<Files> {
        let entry = |symbol: Symbol| {
            let (text, len) = symbols.memory_from(symbol);
            whole::Entry { text, len, id: ids[symbol.place()] }
        };
        let entries: Vec<_> = symbols.all().map(entry).collect();
        let whole = whole::Whole::new(entries.iter().copied());
        let to_7: Vec<u64> = whole.to_7.iter().flat_map(|slot| [slot.key, u64::from(slot.id)]).collect();
        let to_15: Vec<u64> =
            whole.to_15.iter().flat_map(|slot| [slot.key.low, slot.key.high, u64::from(slot.id)]).collect();
        let longer: Vec<u64> = whole
            .longer
            .iter()
            .flat_map(|slot| [slot.hash, u64::from(slot.len) << 32 | u64::from(slot.start), u64::from(slot.id)])
            .collect();
        let pairs = pairs::Pairs::new(merges.iter().copied());
        let pairs = pairs.narrow()?;
        let border = |merge: &Merge| Some((*symbols.bytes(merge.left).last()?, *symbols.bytes(merge.right).first()?));
        let joins = joins::Joins::new(merges.iter().filter_map(border));
        Some(vec![
            ("whole_to_7", le(&to_7, |word| word.to_le_bytes())),
            ("whole_to_15", le(&to_15, |word| word.to_le_bytes())),
            ("whole_longer", le(&longer, |word| word.to_le_bytes())),
            ("whole_longer_bytes", whole.longer_bytes.to_vec()),
            ("whole_longest", le(&whole.longest, |len| len.to_le_bytes())),
            ("pairs_bases", le(&pairs.packed.bases[..], |base| base.to_le_bytes())),
            ("pairs_slots", le(&pairs.packed.slots[..], |slot| slot.to_le_bytes())),
            ("pairs_of_bytes", le(pairs.of_bytes, |rank| rank.to_le_bytes())),
            ("joins", le(&joins.bits[..], |word| word.to_le_bytes())),
            ("ids", le(ids, |id| id.to_le_bytes())),
        ])
    }
}

/// OpenAI's encoder.json and vocab.bpe, made smaller by `scripts/make_embedded_vocabulary.py`: 50,000 merges as pairs of
/// 16-bit ids, little-endian, in rank order. The ids are 256 bytes in the alphabet's order, then the merges by rank, then
/// `<|endoftext|>`.
const MERGES: &str = "data/gpt2_merges.bin";

/// The last id, a special token.
const END_OF_TEXT: &[u8] = b"<|endoftext|>";

fn main() -> Result<(), Box<dyn Error>> {
    for source in ["build.rs", "data", "src/bpe", "src/vocab"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let bytes = fs::read(Path::new(&root).join(MERGES))?;
    let symbol_of = |low: u8, high: u8| {
        let id = u16::from_le_bytes([low, high]);
        Symbol(alphabet::BYTES_BY_ID.get(usize::from(id)).map_or(u32::from(id), |&byte| u32::from(byte)))
    };
    let mut symbols = Symbols::of_bytes(bytes.len() / 4);
    let mut merges = Vec::with_capacity(bytes.len() / 4);
    for (rank, pair) in (0..).zip(bytes.chunks_exact(4)) {
        let (left, right) = (symbol_of(pair[0], pair[1]), symbol_of(pair[2], pair[3]));
        merges.push(Merge { left, right, product: symbols.push_joined(left, right), rank: Rank(rank) });
    }
    let mut ids: Vec<bpe::TokenId> = (0..symbols.len() as u32).collect(); // products have their ids as symbols
    for (id, &byte) in (0..).zip(&alphabet::BYTES_BY_ID) {
        ids[usize::from(byte)] = id;
    }
    let mut files =
        bpe::tables(&symbols, &ids, &merges).ok_or("GPT-2's merges are not in the order of their products")?;
    let mut tokens: Vec<&[u8]> = vec![END_OF_TEXT; ids.len() + 1];
    for symbol in symbols.all() {
        tokens[ids[symbol.place()] as usize] = symbols.bytes(symbol);
    }
    files.extend(table(&tokens));
    let out = env::var("OUT_DIR")?;
    for (name, bytes) in files {
        fs::write(Path::new(&out).join(name), bytes)?;
    }
    Ok(())
}

/// What decoding looks into: a slot of 16 bytes an id, the token's length in the last. What is longer than 15 bytes stands
/// apart, and its slot says from where and how long, in four bytes each.
fn table(tokens: &[&[u8]]) -> [(&'static str, Vec<u8>); 2] {
    let (mut slots, mut long) = (Vec::with_capacity(16 * tokens.len()), Vec::new());
    for token in tokens {
        let mut slot = [0; 16];
        if token.len() < 16 {
            slot[..token.len()].copy_from_slice(token);
            slot[15] = token.len() as u8;
        } else {
            slot[..4].copy_from_slice(&(long.len() as u32).to_le_bytes());
            slot[4..8].copy_from_slice(&(token.len() as u32).to_le_bytes());
            long.extend_from_slice(token);
        }
        slots.extend_from_slice(&slot);
    }
    [("table_slots", slots), ("table_long", long)]
}
