//! What is right? GPT-2's encoding written out as its definition says, slowly and apart from the core: the oracle that
//! the targets hold it to. It shares no code with the core; its Unicode classes come from regex-syntax by name.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

pub const PATTERN: &str = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The pattern itself, for the regex engine that judges the plain split.
static ENGINE: LazyLock<fancy_regex::Regex> = LazyLock::new(|| fancy_regex::Regex::new(PATTERN).unwrap());

/// What the pattern tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Letter,
    Number,
    Space,
    Other,
}

static CLASSES: LazyLock<Vec<Class>> = LazyLock::new(|| {
    let mut classes = vec![Class::Other; 0x11_0000];
    for (pattern, class) in [(r"\p{L}", Class::Letter), (r"\p{N}", Class::Number), (r"\s", Class::Space)] {
        let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(ranges)) =
            regex_syntax::Parser::new().parse(pattern).unwrap().into_kind()
        else {
            unreachable!()
        };
        for range in ranges.iter() {
            classes[range.start() as usize..=range.end() as usize].fill(class);
        }
    }
    classes
});

/// The class of a character.
pub fn class(character: char) -> Class {
    CLASSES[character as usize]
}

/// The pretokens of a text: at each place the alternatives of the pattern, in order.
pub fn split(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = ["'s", "'d", "'m", "'t", "'ll", "'ve", "'re"]
            .iter()
            .find(|ending| rest.starts_with(**ending))
            .map(|ending| ending.len())
            .or_else(|| run(rest, Class::Letter))
            .or_else(|| run(rest, Class::Number))
            .or_else(|| run(rest, Class::Other))
            .or_else(|| white_space(rest))
            .unwrap_or(first.len_utf8());
        found.push(&rest[..end]);
        rest = &rest[end..];
    }
    found
}

/// ` ?` and one or more of the class.
fn run(rest: &str, wanted: Class) -> Option<usize> {
    let from = usize::from(rest.starts_with(' '));
    let len: usize = rest[from..].chars().take_while(|&c| class(c) == wanted).map(char::len_utf8).sum();
    (len > 0).then_some(from + len)
}

/// `\s+(?!\S)|\s+`: greedy, then one character less until no non-space follows, then greedy again.
fn white_space(rest: &str) -> Option<usize> {
    let spaces: Vec<usize> = rest.chars().take_while(|&c| class(c) == Class::Space).map(char::len_utf8).collect();
    let all: usize = spaces.iter().sum();
    match spaces[..] {
        [] => None,
        _ if all == rest.len() => Some(all),
        [_] => Some(all),
        [.., last] => Some(all - last),
    }
}

/// The same by the regex engine.
pub fn split_by_engine(text: &str) -> Vec<&str> {
    ENGINE.find_iter(text).map(|found| found.unwrap().as_str()).collect()
}

/// Byte-pair merging: while any two neighbours merge, the leftmost pair of lowest rank does.
pub fn merge<T>(parts: &mut Vec<T>, rank: impl Fn(&T, &T) -> Option<(usize, T)>) {
    let step = |parts: &[T], at: usize| parts.get(at + 1).and_then(|right| rank(&parts[at], right));
    // The step of each pair is asked for once, not again in every round.
    let mut steps: Vec<Option<(usize, T)>> = (0..parts.len()).map(|at| step(parts, at)).collect();
    loop {
        let ranks = steps.iter().enumerate().filter_map(|(at, step)| Some((step.as_ref()?.0, at)));
        let Some((_, at)) = ranks.min() else { return };
        let Some((_, product)) = steps.remove(at) else { return };
        parts[at] = product;
        parts.remove(at + 1);
        for changed in at.saturating_sub(1)..=at {
            steps[changed] = step(parts, changed);
        }
    }
}

/// GPT-2's merges as pairs of ids, and what pretokens became before: most of an input is as in the one before it.
pub struct Merges {
    bytes: [u32; 256],
    ranks: FxHashMap<(u32, u32), (usize, u32)>,
    seen: FxHashMap<Box<str>, Box<[u32]>>,
}

impl Merges {
    /// Bytes as vocab.json orders them: printable ones first, then the others; the products follow by rank.
    pub fn gpt2(merges: &[(u32, u32, u32)]) -> Self {
        let printable = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let order = (0..=255u8).filter(printable).chain((0..=255u8).filter(|byte| !printable(byte)));
        let mut bytes = [0; 256];
        for (id, byte) in order.enumerate() {
            bytes[usize::from(byte)] = id as u32;
        }
        let pairs = merges.iter().enumerate();
        let ranks = pairs.map(|(rank, &(left, right, _))| ((left, right), (rank, 256 + rank as u32))).collect();
        Merges { bytes, ranks, seen: FxHashMap::default() }
    }

    /// The ids of one pretoken. Quadratic.
    pub fn encode(&mut self, pretoken: &str) -> &[u32] {
        if self.seen.len() > 50_000 {
            self.seen.clear();
        }
        if !self.seen.contains_key(pretoken) {
            let mut ids: Vec<u32> = pretoken.bytes().map(|byte| self.bytes[usize::from(byte)]).collect();
            merge(&mut ids, |&left, &right| self.ranks.get(&(left, right)).copied());
            self.seen.insert(pretoken.into(), ids.into());
        }
        &self.seen[pretoken]
    }
}
