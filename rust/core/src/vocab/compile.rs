//! How does a definition become an engine? Checks it, numbers its symbols by rank, and builds the tables.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::{Definition, ID_LIMIT, Table, VocabError, alphabet};
use crate::bpe::{Bpe, Lookups, Merge, Rank, Scratch, Symbol, Symbols, TokenId};

/// A merge as the ids of left part, right part and product.
pub(crate) type MergeIds = (TokenId, TokenId, TokenId);

/// What an encoding is made of.
pub(crate) struct Compiled {
    pub bpe: Bpe,
    pub table: Table,
    /// In rank order; `None` where the vocabulary has no merge list that says the same (see `by_token`). Not there yet for
    /// GPT-2's own, which are listed when somebody asks ([`gpt2_merges`]).
    pub merges: OnceLock<Option<Vec<MergeIds>>>,
    /// The id of missing bytes, if any byte is missing.
    pub unknown: Option<TokenId>,
}

/// GPT-2's own vocabulary, embedded: 50,000 merges as pairs of 16-bit ids, little-endian, in rank order.
/// Made by `scripts/make_embedded_vocabulary.py` from OpenAI's encoder.json and vocab.bpe.
static GPT2_MERGES: &[u8; 200_000] = include_bytes!("../../data/gpt2_merges.bin");

/// GPT-2's layout of ids: 256 bytes in the alphabet's order, then the merges by rank, then `<|endoftext|>`.
pub(crate) fn gpt2() -> Compiled {
    let symbol_of = |id: TokenId| match alphabet::BYTES_BY_ID.get(id as usize) {
        Some(&byte) => Symbol::of_byte(byte),
        None => Symbol(id),
    };
    let merges = gpt2_pairs().enumerate().map(|(rank, (left, right))| Merge {
        left: symbol_of(left),
        right: symbol_of(right),
        product: Symbol((alphabet::BYTES_BY_ID.len() + rank) as u32),
        rank: Rank(rank as u32),
    });
    let mut symbols = Symbols::of_bytes(merges.len());
    for merge in merges.clone() {
        symbols.push_joined(merge.left, merge.right);
    }
    let mut ids: Vec<TokenId> = (0..symbols.len() as u32).collect();
    let (bytes, ends) = symbols.all_bytes();
    let mut table = Table::of_ends(bytes, ends, 1 << 10); // products have their ids as symbols, bytes have not
    for (id, &byte) in alphabet::BYTES_BY_ID.iter().enumerate() {
        ids[usize::from(byte)] = id as TokenId;
        table.insert(id as TokenId, &[byte]);
    }
    let lookups = Lookups { forced: Vec::new(), trusted: true };
    let bpe = Bpe::new(symbols, ids.into_boxed_slice(), merges, &lookups);
    Compiled { bpe, table, merges: OnceLock::new(), unknown: None }
}

/// The ids of left and right part of GPT-2's merges, in rank order.
fn gpt2_pairs() -> impl ExactSizeIterator<Item = (TokenId, TokenId)> + Clone {
    GPT2_MERGES.chunks_exact(4).map(|pair| {
        let id = |low, high| TokenId::from(u16::from_le_bytes([low, high]));
        (id(pair[0], pair[1]), id(pair[2], pair[3]))
    })
}

/// GPT-2's merges as the ids of left part, right part and product.
pub(crate) fn gpt2_merges() -> Vec<MergeIds> {
    gpt2_pairs().zip(alphabet::BYTES_BY_ID.len() as TokenId..).map(|((left, right), id)| (left, right, id)).collect()
}

pub(crate) fn compile(definition: &Definition) -> Result<Compiled, VocabError> {
    let table = checked_table(definition)?;
    let (byte_ids, unknown) = byte_ids(definition)?;
    if definition.merges_by_token {
        return Ok(Compiled { unknown, ..by_token(definition, table, &byte_ids) });
    }
    if let Some(id) = unknown
        && let Some(place) = definition.merges.iter().position(|merge| [merge.0, merge.1, merge.2].contains(&id))
    {
        let token = alphabet::spell(table.get(id).unwrap_or_default());
        return Err(VocabError::UnkMerges { token, line: place + 1 });
    }
    let mut symbols = Symbols::of_bytes(definition.merges.len());
    let mut ids = byte_ids.to_vec();
    let mut numbered: FxHashMap<TokenId, Symbol> = FxHashMap::default();
    for (token, id) in &definition.tokens {
        if let [byte] = token[..]
            && byte_ids[usize::from(byte)] == *id
        {
            numbered.insert(*id, Symbol::of_byte(byte));
        }
    }
    for &(_, _, product) in &definition.merges {
        if let Some(bytes) = table.get(product) {
            numbered.entry(product).or_insert_with(|| {
                ids.push(product);
                symbols.push(bytes)
            });
        }
    }
    // A merge of an entry that no merge produces can never happen; it stays in the list that is saved, no more.
    let merges: Vec<Merge> = definition
        .merges
        .iter()
        .enumerate()
        .filter_map(|(rank, (left, right, product))| {
            Some(Merge {
                left: *numbered.get(left)?,
                right: *numbered.get(right)?,
                product: *numbered.get(product)?,
                rank: Rank(rank as u32),
            })
        })
        .collect();
    let lookups = Lookups { forced: forced(definition), trusted: false };
    let bpe = Bpe::new(symbols, ids.into_boxed_slice(), merges.iter().copied(), &lookups);
    Ok(Compiled { bpe, table, merges: Some(definition.merges.clone()).into(), unknown })
}

fn forced(definition: &Definition) -> Vec<(&[u8], TokenId)> {
    if !definition.whole_pretokens_first {
        return Vec::new();
    }
    definition.tokens.iter().map(|(bytes, id)| (&bytes[..], *id)).collect()
}

/// tiktoken's rule: two neighbours merge when their bytes, joined, are a token, lowest id first.
///
/// When every token encodes to itself, exactly one pair ever makes it (the two parts that merging its bytes by lower
/// ranks leaves), and the merge list of those pairs says the same; it also allows the linear method.
fn by_token(definition: &Definition, table: Table, byte_ids: &[TokenId; 256]) -> Compiled {
    let mut tokens: Vec<(&[u8], TokenId)> =
        definition.tokens.iter().map(|(bytes, id)| (&bytes[..], *id)).filter(|(bytes, _)| bytes.len() > 1).collect();
    tokens.sort_unstable_by_key(|&(_, id)| id);
    let build = || {
        let mut symbols = Symbols::of_bytes(tokens.len());
        let mut ids = byte_ids.to_vec();
        let mut by_bytes: FxHashMap<&[u8], Symbol> = FxHashMap::default();
        for (token, _) in definition.tokens.iter().filter(|(token, _)| token.len() == 1) {
            by_bytes.insert(token, Symbol::of_byte(token[0]));
        }
        for &(bytes, id) in &tokens {
            by_bytes.insert(bytes, symbols.push(bytes));
            ids.push(id);
        }
        (symbols, ids.into_boxed_slice(), by_bytes)
    };
    let (symbols, ids, by_bytes) = build();
    let mut every_pair = Vec::new();
    for (rank, &(bytes, _)) in tokens.iter().enumerate() {
        for cut in 1..bytes.len() {
            if let (Some(&left), Some(&right)) = (by_bytes.get(&bytes[..cut]), by_bytes.get(&bytes[cut..])) {
                every_pair.push(Merge { left, right, product: by_bytes[bytes], rank: Rank(rank as u32) });
            }
        }
    }
    let lookups = Lookups { forced: forced(definition), trusted: false };
    let bpe = Bpe::new(symbols, ids, every_pair.iter().copied(), &lookups);

    let mut scratch = Scratch::default();
    let mut last_merges = Vec::with_capacity(tokens.len());
    for (rank, &(bytes, _)) in tokens.iter().enumerate() {
        let product = by_bytes[bytes];
        match bpe.parts_below(bytes, Rank(rank as u32), &mut scratch)[..] {
            [left, right] => last_merges.push(Merge { left, right, product, rank: Rank(rank as u32) }),
            _ => {
                return Compiled { bpe, table, merges: None.into(), unknown: None };
            }
        }
    }
    let (symbols, ids, _) = build();
    let bpe = Bpe::new(symbols, ids, last_merges.iter().copied(), &lookups);
    if !bpe.is_proper() {
        let (symbols, ids, _) = build();
        return Compiled {
            bpe: Bpe::new(symbols, ids, every_pair.iter().copied(), &lookups),
            table,
            merges: None.into(),
            unknown: None,
        };
    }
    let id = |symbol: Symbol| bpe.id(symbol);
    let merges = last_merges.iter().map(|merge| (id(merge.left), id(merge.right), id(merge.product))).collect();
    Compiled { merges: Some(merges).into(), bpe, table, unknown: None }
}

fn checked_table(definition: &Definition) -> Result<Table, VocabError> {
    const TEXT_LIMIT: usize = 1 << 30;
    // Under tiktoken's rule every split of a token is looked up, which is quadratic in its length.
    let token_limit = if definition.merges_by_token { 1 << 11 } else { 1 << 13 };
    let spell = |token: &[u8]| alphabet::spell(token);
    let text: usize = definition.tokens.iter().map(|(token, _)| token.len()).sum();
    if text > TEXT_LIMIT {
        return Err(VocabError::TooLarge { bytes: text, limit: TEXT_LIMIT });
    }
    let mut table = Table::with_capacity(definition.tokens.len(), text);
    for (token, id) in &definition.tokens {
        if *id >= ID_LIMIT {
            return Err(VocabError::IdOutOfRange { token: spell(token), id: id.to_string() });
        }
        if token.is_empty() {
            return Err(VocabError::EmptyToken { id: *id });
        }
        if token.len() > token_limit {
            return Err(VocabError::TokenTooLong { id: *id, bytes: token.len(), limit: token_limit });
        }
        if let Some(other) = table.get(*id) {
            return Err(VocabError::DuplicateId { id: *id, first: spell(other), second: spell(token) });
        }
        table.insert(*id, token);
    }
    let mut named: FxHashMap<&str, TokenId> = FxHashMap::default();
    for (token, id) in &definition.special {
        if let Some(first) = named.insert(token, *id) {
            return Err(VocabError::DuplicateToken { token: token.clone(), first, second: *id });
        }
        if *id >= ID_LIMIT {
            return Err(VocabError::IdOutOfRange { token: token.clone(), id: id.to_string() });
        }
        if token.is_empty() {
            return Err(VocabError::EmptySpecial);
        }
        match table.get(*id) {
            Some(other) if other != token.as_bytes() => {
                return Err(VocabError::DuplicateId { id: *id, first: spell(other), second: token.clone() });
            }
            _ => table.insert(*id, token.as_bytes()),
        }
    }
    Ok(table)
}

/// The id of every byte, and the unknown id if some byte needed it.
fn byte_ids(definition: &Definition) -> Result<([TokenId; 256], Option<TokenId>), VocabError> {
    let mut ids = [None; 256];
    for (token, id) in &definition.tokens {
        if let [byte] = token[..] {
            ids[usize::from(byte)].get_or_insert(*id);
        }
    }
    let missing: Vec<u8> = (0..=255).filter(|&byte| ids[usize::from(byte)].is_none()).collect();
    match definition.unknown {
        None if !missing.is_empty() => Err(VocabError::MissingBytes { count: missing.len(), missing }),
        unknown => {
            let ids = ids.map(|id| id.or(unknown).unwrap_or_default());
            Ok((ids, unknown.filter(|_| !missing.is_empty())))
        }
    }
}
