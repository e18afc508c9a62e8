//! Every id of a user becomes one 64-bit key.
//!
//! The key is XXH3-64, seeded, over the kind of id, the lower-cased source of an extended id and
//! the bytes of the id, so that the same bytes under two kinds or two sources never meet by
//! design. The key stands for the id everywhere behind intake: the lookup never stores an id.
//!
//! **False positives.** A table of `n` users answers for an unknown id with somebody else's
//! segments with probability `n / 2⁶⁴`: 5.4 × 10⁻¹³ for ten million users, once in 1.8 trillion
//! lookups. Two of the `n` share one key, and then their segments merge, with probability about
//! `n² / 2⁶⁵`: 2.7 × 10⁻⁶ for a whole table of ten million. Both are accepted: segments choose an
//! advertisement, they never grant a right or move money.
//!
//! XXH3 is no cryptographic hash. A secret seed makes keys useless to who does not know it and
//! keeps a feed from aiming its ids at one slot, but whoever holds the seed can test guesses: a
//! key is still personal data.
//!
//! Cost: one copy of at most 513 bytes on the stack and one hash, no allocation.

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Longest id, in bytes; an OpenRTB id is rarely longer than 64.
pub const ID_BYTES_MAX: usize = 384;
/// Longest source of an extended id, in bytes; a domain name has at most 253.
pub const SOURCE_BYTES_MAX: usize = 126;

const KEY_BYTES_MAX: usize = 2 + SOURCE_BYTES_MAX + ID_BYTES_MAX;

/// What an id is, as OpenRTB carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind<'a> {
    /// `user.buyeruid`: the buyer's own id, mapped by the exchange.
    BuyerUid,
    /// `user.eids[].uids[].id` under `user.eids[].source`.
    Eid {
        /// Domain of who issued the id; compared without regard to ASCII case.
        source: &'a str,
    },
    /// `device.ifa`: the advertising id of a device; compared without regard to ASCII case.
    Ifa,
    /// `user.id`: the exchange's own id.
    UserId,
}

/// The seed of all keys of one installation; a table answers only for keys of its own seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySeed(pub u64);

impl Default for KeySeed {
    /// A fixed, public seed for tests and demonstrations.
    fn default() -> Self {
        Self(0x6761_7665_6c2d_6964)
    }
}

/// The key of one id of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub u64);

/// Why an id identifies nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The id has no bytes.
    #[error("id is empty")]
    EmptyId,
    /// The id is longer than [`ID_BYTES_MAX`].
    #[error("id has {bytes} bytes, at most {ID_BYTES_MAX} are allowed")]
    LongId {
        /// Bytes found.
        bytes: usize,
    },
    /// The advertising id is all zeros: the user has switched tracking off.
    #[error("ifa is all zeros, which means that the user limits ad tracking")]
    ZeroIfa,
    /// The source of an extended id has no bytes.
    #[error("eid source is empty")]
    EmptySource,
    /// The source of an extended id is longer than [`SOURCE_BYTES_MAX`].
    #[error("eid source has {bytes} bytes, at most {SOURCE_BYTES_MAX} are allowed")]
    LongSource {
        /// Bytes found.
        bytes: usize,
    },
}

impl UserKey {
    /// The key of the id `id` of kind `kind`.
    ///
    /// # Errors
    /// An id that identifies nobody: empty, too long, or the all-zero advertising id. On the bid
    /// path this means "no such id", not a bad request.
    pub fn new(seed: KeySeed, kind: IdKind<'_>, id: &[u8]) -> Result<Self, IdentityError> {
        check_id(kind, id)?;
        let (tag, source) = match kind {
            IdKind::BuyerUid => (1, ""),
            IdKind::Eid { source } => (2, checked_source(source)?),
            IdKind::Ifa => (3, ""),
            IdKind::UserId => (4, ""),
        };
        let source = source.as_bytes();
        let mut text = [0_u8; KEY_BYTES_MAX];
        text[0] = tag;
        // The length goes in too: ("ab", "c") and ("a", "bc") are two users.
        text[1] = u8::try_from(source.len()).expect("a source has at most 126 bytes");
        let id_start = 2 + source.len();
        let end = id_start + id.len();
        text[2..id_start].copy_from_slice(source);
        text[2..id_start].make_ascii_lowercase();
        text[id_start..end].copy_from_slice(id);
        if kind == IdKind::Ifa {
            text[id_start..end].make_ascii_lowercase();
        }
        Ok(Self(xxh3_64_with_seed(&text[..end], seed.0)))
    }
}

fn check_id(kind: IdKind<'_>, id: &[u8]) -> Result<(), IdentityError> {
    if id.is_empty() {
        return Err(IdentityError::EmptyId);
    }
    if id.len() > ID_BYTES_MAX {
        return Err(IdentityError::LongId { bytes: id.len() });
    }
    if kind == IdKind::Ifa && id.iter().all(|byte| matches!(byte, b'0' | b'-')) {
        return Err(IdentityError::ZeroIfa);
    }
    Ok(())
}

fn checked_source(source: &str) -> Result<&str, IdentityError> {
    if source.is_empty() {
        return Err(IdentityError::EmptySource);
    }
    if source.len() > SOURCE_BYTES_MAX {
        return Err(IdentityError::LongSource {
            bytes: source.len(),
        });
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: IdKind<'_>, id: &str) -> UserKey {
        UserKey::new(KeySeed::default(), kind, id.as_bytes()).unwrap()
    }

    fn new(kind: IdKind<'_>, id: &str) -> Result<UserKey, IdentityError> {
        UserKey::new(KeySeed::default(), kind, id.as_bytes())
    }

    #[test]
    fn kinds_sources_and_seeds_separate_equal_bytes() {
        let mut keys = vec![
            key(IdKind::BuyerUid, "abc"),
            key(IdKind::UserId, "abc"),
            key(IdKind::Ifa, "abc"),
            key(
                IdKind::Eid {
                    source: "a.example",
                },
                "abc",
            ),
            key(IdKind::Eid { source: "a.exampl" }, "eabc"),
            UserKey::new(KeySeed(1), IdKind::UserId, b"abc").unwrap(),
        ];
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 6);
    }

    #[test]
    fn case_is_ignored_only_where_the_id_has_none() {
        let upper = "38400000-8CF0-11BD-B23E-10B96E40000D";
        assert_eq!(
            key(IdKind::Ifa, upper),
            key(IdKind::Ifa, &upper.to_lowercase())
        );
        assert_eq!(
            key(
                IdKind::Eid {
                    source: "ID.Example"
                },
                "x"
            ),
            key(
                IdKind::Eid {
                    source: "id.example"
                },
                "x"
            )
        );
        assert_ne!(key(IdKind::BuyerUid, "X"), key(IdKind::BuyerUid, "x"));
        assert_ne!(
            key(
                IdKind::Eid {
                    source: "id.example"
                },
                "X"
            ),
            key(
                IdKind::Eid {
                    source: "id.example"
                },
                "x"
            )
        );
    }

    #[test]
    fn an_ifa_of_zeros_is_nobody() {
        for zero in [
            "00000000-0000-0000-0000-000000000000",
            "0",
            "00000000000000000000000000000000",
        ] {
            let refused = UserKey::new(KeySeed::default(), IdKind::Ifa, zero.as_bytes());
            assert_eq!(refused, Err(IdentityError::ZeroIfa));
        }
        key(IdKind::Ifa, "00000000-0000-0000-0000-000000000001");
        key(IdKind::BuyerUid, "0");
    }

    #[test]
    fn lengths_are_bounded_at_both_ends() {
        let source = "s".repeat(SOURCE_BYTES_MAX);
        let id = "i".repeat(ID_BYTES_MAX);
        assert!(new(IdKind::Eid { source: &source }, &id).is_ok());
        assert_eq!(
            new(IdKind::UserId, &format!("{id}i")),
            Err(IdentityError::LongId {
                bytes: ID_BYTES_MAX + 1
            })
        );
        assert_eq!(
            new(
                IdKind::Eid {
                    source: &format!("{source}s")
                },
                "x"
            ),
            Err(IdentityError::LongSource {
                bytes: SOURCE_BYTES_MAX + 1
            })
        );
        assert_eq!(
            new(IdKind::Eid { source: "" }, "x"),
            Err(IdentityError::EmptySource)
        );
        assert_eq!(new(IdKind::BuyerUid, ""), Err(IdentityError::EmptyId));
    }

    /// The key is stored in files, so a change of its definition must not go unnoticed.
    #[test]
    fn the_definition_of_a_key_is_pinned() {
        assert_eq!(
            key(IdKind::BuyerUid, "abc").0,
            xxh3_64_with_seed(b"\x01\x00abc", 0x6761_7665_6c2d_6964)
        );
        assert_eq!(
            key(IdKind::Eid { source: "A.b" }, "C").0,
            xxh3_64_with_seed(b"\x02\x03a.bC", 0x6761_7665_6c2d_6964)
        );
    }
}
