//! A TCF 2 consent string that consents to everything, as bits in base 64.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VENDORS: u64 = 300;

/// A string of the instant `at_s` (seconds since 1970) and a language of two small letters.
pub(super) fn string(at_s: u64, language: &str) -> String {
    let mut bits = Bits::default();
    // Version, created and updated in tenths of a second, CMP, its version, screen.
    for (value, width) in [
        (2, 6),
        (at_s * 10, 36),
        (at_s * 10, 36),
        (10, 12),
        (1, 12),
        (1, 6),
    ] {
        bits.push(value, width);
    }
    let language = language.bytes().map(|letter| u64::from(letter - b'a'));
    let language = language.fold(0, |code, letter| code << 6 | letter);
    // Language, vendor list, policy, service-specific, texts, special features.
    for (value, width) in [
        (language, 12),
        (180, 12),
        (5, 6),
        (1, 1),
        (0, 1),
        (0b1100_0000_0000, 12),
    ] {
        bits.push(value, width);
    }
    // Purposes 1 to 11 by consent, 2 and 7 to 10 by interest; no special treatment; country.
    for (value, width) in [(0x00ff_e000, 24), (0x0043_c000, 24), (0, 1), (language, 12)] {
        bits.push(value, width);
    }
    for _ in ["by consent", "by interest"] {
        bits.push(VENDORS, 16);
        bits.push(0, 1);
        (0..VENDORS).for_each(|_| bits.push(1, 1));
    }
    // No publisher restrictions.
    bits.push(0, 12);
    bits.into_text()
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn push(&mut self, value: u64, width: u32) {
        self.0
            .extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn into_text(mut self) -> String {
        // Whole bytes first, as a decoder reads them, then whole characters.
        self.0.resize(self.0.len().next_multiple_of(8), false);
        self.0.resize(self.0.len().next_multiple_of(6), false);
        let digit = |six: &[bool]| {
            six.iter()
                .fold(0, |value, &bit| value << 1 | usize::from(bit))
        };
        self.0
            .chunks(6)
            .map(|six| char::from(ALPHABET[digit(six)]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_reads_back() {
        let text = string(1_700_000_000, "fr");
        let bits: Vec<bool> = text
            .bytes()
            .map(|byte| ALPHABET.iter().position(|&known| known == byte).unwrap())
            .flat_map(|six| (0..6).rev().map(move |bit| six >> bit & 1 == 1))
            .collect();
        let read = |from: usize, width: usize| {
            bits[from..from + width]
                .iter()
                .fold(0_u64, |value, &bit| value << 1 | u64::from(bit))
        };
        assert_eq!(
            (read(0, 6), read(6, 36), read(42, 36)),
            (2, 17_000_000_000, 17_000_000_000)
        );
        // Language "fr" is 5, 17; purposes start at bit 152, vendors at bit 213.
        assert_eq!((read(108, 6), read(114, 6), read(152, 11)), (5, 17, 0x7ff));
        assert_eq!(
            (read(213, 16), read(229, 1), read(230, 8)),
            (VENDORS, 0, 0xff)
        );
    }
}
