//! How does a definition become an engine? Checks it, numbers its symbols by rank, and builds the tables.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::table::{Spans, Table};
use super::{Definition, ID_LIMIT, VocabError, alphabet};
use crate::bpe::{Bpe, Merge, Rank, Scratch, Symbol, Symbols, TokenId};

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

/// GPT-2's own, whose tables were made when this crate was compiled.
pub(crate) fn gpt2() -> Compiled {
    Compiled { bpe: Bpe::gpt2(), table: Table::gpt2(), merges: OnceLock::new(), unknown: None }
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
    let bpe = Bpe::new(&symbols, ids, merges.iter().copied(), &forced(definition));
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
    let mut every_pair = Vec::new();
    for (rank, &(bytes, _)) in tokens.iter().enumerate() {
        for cut in 1..bytes.len() {
            if let (Some(&left), Some(&right)) = (by_bytes.get(&bytes[..cut]), by_bytes.get(&bytes[cut..])) {
                every_pair.push(Merge { left, right, product: by_bytes[bytes], rank: Rank(rank as u32) });
            }
        }
    }
    let forced = forced(definition);
    let by_every_pair = Bpe::new(&symbols, ids.clone(), every_pair.into_iter(), &forced);
    let unlisted = |bpe, table| Compiled { bpe, table, merges: None.into(), unknown: None };

    let mut scratch = Scratch::default();
    let mut last_merges = Vec::with_capacity(tokens.len());
    for (rank, &(bytes, _)) in tokens.iter().enumerate() {
        let product = by_bytes[bytes];
        match by_every_pair.parts_below(bytes, Rank(rank as u32), &mut scratch)[..] {
            [left, right] => last_merges.push(Merge { left, right, product, rank: Rank(rank as u32) }),
            _ => return unlisted(by_every_pair, table),
        }
    }
    let bpe = Bpe::new(&symbols, ids, last_merges.iter().copied(), &forced);
    if !bpe.is_proper() {
        return unlisted(by_every_pair, table);
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
    let mut table = Spans::with_capacity(definition.tokens.len(), text);
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
    Ok(table.into())
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
