//! Classes by AVX2: two halves of 32 bytes, one comparison a class.

use std::arch::x86_64::*;

use super::{BLOCK, Kernel, Leads, Masks, leads_letters_only};

/// Proof that the processor has AVX2 and the bit instructions that come with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor (the standard library remembers the answer).
    #[inline]
    pub(crate) fn new() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        has_all.then_some(Avx2(()))
    }
}

impl Kernel for Avx2 {
    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK]) -> Masks {
        // SAFETY: an `Avx2` exists only where the processor was found to have AVX2.
        unsafe { classify(block) }
    }

    #[inline(always)]
    fn leads(self, block: &[u8; BLOCK]) -> Leads {
        // SAFETY: as above.
        unsafe { leads(block) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn classify(block: &[u8; BLOCK]) -> Masks {
    let (low, high) = load(block);
    let (low, high) = (half(low), half(high));
    Masks {
        letter: join(low.letter, high.letter),
        number: join(low.number, high.number),
        space: join(low.space, high.space),
        blank: join(low.blank, high.blank),
        apostrophe: join(low.apostrophe, high.apostrophe),
        high: join(low.bytes, high.bytes),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &[u8; BLOCK]) -> (__m256i, __m256i) {
    // SAFETY: both loads, which need no alignment, stay inside the 64 bytes of the block.
    unsafe {
        let start = block.as_ptr().cast::<__m256i>();
        (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1)))
    }
}

/// The highest bits of 64 bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn join(low: __m256i, high: __m256i) -> u64 {
    u64::from(_mm256_movemask_epi8(low) as u32) | u64::from(_mm256_movemask_epi8(high) as u32) << 32
}

struct Half {
    letter: __m256i,
    number: __m256i,
    space: __m256i,
    blank: __m256i,
    apostrophe: __m256i,
    bytes: __m256i,
}

#[inline]
#[target_feature(enable = "avx2")]
fn half(bytes: __m256i) -> Half {
    let lower = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
    let blank = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b' ' as i8));
    Half {
        letter: within::<b'a', b'z'>(lower),
        number: within::<b'0', b'9'>(bytes),
        space: _mm256_or_si256(within::<b'\t', b'\r'>(bytes), blank),
        blank,
        apostrophe: _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\'' as i8)),
        bytes,
    }
}

/// All bits of every byte from `FIRST` to `LAST`: moved so that `FIRST` is the least signed byte, one comparison does.
#[inline]
#[target_feature(enable = "avx2")]
fn within<const FIRST: u8, const LAST: u8>(bytes: __m256i) -> __m256i {
    let moved = _mm256_add_epi8(bytes, _mm256_set1_epi8(0x80u8.wrapping_sub(FIRST) as i8));
    let bound = _mm256_set1_epi8((0x80u8 + (LAST - FIRST) + 1) as i8);
    _mm256_cmpgt_epi8(bound, moved)
}

/// For a first byte `0xHL` that leads letters only, `BY_HIGH[H]` and `BY_LOW[L]` share a bit; for others they do not.
static BY_HIGH: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 0];
static BY_LOW: [u8; 16] = {
    let mut bits = [0; 16];
    let mut low = 0;
    while low < 16 {
        let (c, d, e) = (0xc0 | low, 0xd0 | low, 0xe0 | low);
        bits[low as usize] =
            leads_letters_only(c) as u8 | (leads_letters_only(d) as u8) << 1 | (leads_letters_only(e) as u8) << 2;
        low += 1;
    }
    bits
};

#[inline]
#[target_feature(enable = "avx2")]
fn leads(block: &[u8; BLOCK]) -> Leads {
    let (low, high) = load(block);
    // A shift of 16-bit lanes: the highest bit of each byte becomes the one `N` below it.
    let second = (_mm256_slli_epi16::<1>(low), _mm256_slli_epi16::<1>(high));
    let third = (_mm256_slli_epi16::<2>(low), _mm256_slli_epi16::<2>(high));
    let fourth = (_mm256_slli_epi16::<3>(low), _mm256_slli_epi16::<3>(high));
    let any = join(low, high) & join(second.0, second.1);
    let three = any & join(third.0, third.1);
    Leads { any, three, four: three & join(fourth.0, fourth.1), letter: join(leads_letters(low), leads_letters(high)) }
}

/// All bits of every byte that leads letters only.
#[inline]
#[target_feature(enable = "avx2")]
fn leads_letters(bytes: __m256i) -> __m256i {
    // SAFETY: both tables are 16 bytes, and the loads need no alignment.
    let (by_high, by_low) = unsafe {
        (_mm_loadu_si128(BY_HIGH.as_ptr().cast::<__m128i>()), _mm_loadu_si128(BY_LOW.as_ptr().cast::<__m128i>()))
    };
    let nibble = _mm256_set1_epi8(0x0f);
    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
    let by_high = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(by_high), high);
    let by_low = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(by_low), _mm256_and_si256(bytes, nibble));
    _mm256_cmpgt_epi8(_mm256_and_si256(by_high, by_low), _mm256_setzero_si256())
}
