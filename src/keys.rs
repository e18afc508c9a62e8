//! Secrets of a node: the keys that sign tokens and the admin key of the control plane. Each
//! comes from a file that the operator names, or is made once and kept in the storage directory.

use anyhow::{Context, Result, bail, ensure};
use audience::KeySeed;
use bidder::notice::price::Seal;
use control::access::hexadecimal;
use ledger::token::Signer;
use rand::TryRng;
use std::fs;
use std::io::Write;
use std::path::Path;

/// 256 bits from the operating system.
///
/// # Errors
/// Where the system has none to give.
pub fn random_key() -> Result<[u8; 32]> {
    let mut key = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut key)
        .context("no randomness from the system")?;
    Ok(key)
}

/// Reads the keys with which an exchange seals its prices: `ID.keys` in `folder`.
///
/// # Errors
/// Where the file cannot be read or a line is no key.
pub fn price_seal(folder: &Path, exchange: &str) -> Result<Seal> {
    // Ids of resources are letters, digits, `_` and `-`, so this stays within the folder.
    let file = folder.join(format!("{exchange}.keys"));
    let text = fs::read_to_string(&file)
        .with_context(|| format!("the price keys in {} cannot be read", file.display()))?;
    Seal::new(&text).with_context(|| file.display().to_string())
}

/// Reads the token keys, or makes a first one where `file` is not given.
///
/// # Errors
/// Where the file cannot be read or written, or a line is not `id:64 hex digits`.
pub fn signer(file: Option<&Path>, storage: &Path) -> Result<Signer> {
    let kept = storage.join("token.keys");
    let path = file.unwrap_or(&kept);
    if file.is_none() && !path.exists() {
        write_secret(path, &format!("1:{}\n", hexadecimal(&random_key()?)))?;
    }
    read_signer(path)
}

/// Reads the token keys of a file.
///
/// # Errors
/// Where it cannot be read, or a line is not `id:64 hex digits`.
pub fn read_signer(path: &Path) -> Result<Signer> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("the token keys in {} cannot be read", path.display()))?;
    let mut keys = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let key = parse_key(line.trim()).with_context(|| {
            format!(
                "{}, line {}: expected id:64 hex digits",
                path.display(),
                index + 1
            )
        })?;
        ensure!(
            keys.iter().all(|(id, _)| *id != key.0),
            "{}, line {}: the id {} stands twice",
            path.display(),
            index + 1,
            key.0
        );
        keys.push(key);
    }
    if keys.is_empty() {
        bail!(
            "{}: no token key; expected lines of id:64 hex digits",
            path.display()
        );
    }
    Ok(Signer::new(&keys))
}

/// The secret seed of user keys, made at the first start and kept in the storage directory: keys
/// of one node tell another nothing, and nobody can aim ids at one place of a table.
///
/// # Errors
/// Where it cannot be read or written, or is not 16 hexadecimal digits.
pub fn user_seed(storage: &Path) -> Result<KeySeed> {
    let path = storage.join("users.seed");
    if !path.exists() {
        write_secret(&path, &hexadecimal(&random_key()?[..8]))?;
    }
    let text = fs::read_to_string(&path)
        .with_context(|| format!("the seed of users in {} cannot be read", path.display()))?;
    let seed = u64::from_str_radix(text.trim(), 16)
        .with_context(|| format!("{}: expected 16 hexadecimal digits", path.display()))?;
    Ok(KeySeed(seed))
}

fn parse_key(line: &str) -> Result<(u8, [u8; 32])> {
    let (id, digits) = line.split_once(':').context("no colon")?;
    ensure!(digits.len() == 64 && digits.is_ascii(), "not 64 digits");
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16)?;
    }
    Ok((id.parse()?, key))
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// Where it cannot be written.
pub fn write_secret(path: &Path, content: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_their_ids() {
        let line = format!("7:{}", "0a".repeat(32));
        assert_eq!(parse_key(&line).unwrap(), (7, [10; 32]));
        for wrong in ["", "7", "7:00", "300:00", "x:zz"] {
            assert!(parse_key(wrong).is_err(), "{wrong}");
        }
        assert!(parse_key(&format!("256:{}", "0a".repeat(32))).is_err());
    }
}
