//! Where does the pretoken that begins here end? The scalar scanner, one pretoken a call.

use crate::unicode::{Class, utf8};

/// The end of the pretoken that begins at `start`, a pretoken boundary before the end of valid UTF-8.
#[inline]
pub(crate) fn end_of_pretoken(bytes: &[u8], start: usize) -> usize {
    let first = bytes[start];
    if first == b'\'' {
        let len = contraction(bytes, start);
        if len != 0 {
            return start + len;
        }
    }
    // ` ?` takes one space if a run follows it; at the end of the text the space is white space like any other.
    let run = if first == b' ' && start + 1 < bytes.len() { start + 1 } else { start };
    let (class, width) = class_at(bytes, run);
    match class {
        Class::Letter => end_of_letters(bytes, run + width),
        Class::Space => end_of_white_space(bytes, start),
        class => end_of_run(bytes, run + width, class),
    }
}

#[inline]
fn class_at(bytes: &[u8], at: usize) -> (Class, usize) {
    let byte = bytes[at];
    if byte < 0x80 {
        (Class::of_ascii(byte), 1)
    } else {
        let (code_point, width) = utf8::decode(bytes, at);
        (Class::of(code_point), width)
    }
}

/// The length of `'s 'd 'm 't 'll 've 're`, lower case only, if one follows the apostrophe at `start`; else 0.
#[inline(always)]
pub(super) fn contraction(bytes: &[u8], start: usize) -> usize {
    match (bytes.get(start + 1), bytes.get(start + 2)) {
        (Some(b's' | b'd' | b'm' | b't'), _) => 2,
        (Some(b'l'), Some(b'l')) | (Some(b'v' | b'r'), Some(b'e')) => 3,
        _ => 0,
    }
}

/// Letters are most of any text: eight ASCII bytes a step, then character by character.
#[inline]
fn end_of_letters(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&window) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let others = !ascii_letters(u64::from_le_bytes(window)) & HIGH_BITS;
        if others == 0 {
            at += 8;
            continue;
        }
        at += (others.trailing_zeros() / 8) as usize;
        if bytes[at] < 0x80 {
            return at;
        }
        break;
    }
    end_of_run(bytes, at, Class::Letter)
}

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The high bit of every byte that is an ASCII letter (the other bits mean nothing).
#[inline]
fn ascii_letters(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let lower = (word | (ONES * 0x20)) & !HIGH_BITS;
    let from_a = lower + ONES * (0x80 - b'a' as u64);
    let past_z = lower + ONES * (0x7f - b'z' as u64);
    from_a & !past_z & !word
}

#[inline]
fn end_of_run(bytes: &[u8], mut at: usize, class: Class) -> usize {
    while at < bytes.len() {
        let (found, width) = class_at(bytes, at);
        if found != class {
            break;
        }
        at += width;
    }
    at
}

/// `\s+(?!\S)|\s+`: all of it at the end of the text, else all but the last character, which the next pretoken may want.
#[inline]
fn end_of_white_space(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut last) = (start, start);
    while at < bytes.len() {
        let (class, width) = class_at(bytes, at);
        if class != Class::Space {
            return if last == start { at } else { last };
        }
        last = at;
        at += width;
    }
    at
}
