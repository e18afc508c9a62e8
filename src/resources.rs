//! Where the resources of a storage directory are.

use anyhow::{Context, Result};
use control::store::Store;
use std::path::{Path, PathBuf};

/// The file of the resources.
pub fn file(storage: &Path) -> PathBuf {
    storage.join("resources.sqlite")
}

/// Opens the resources, and makes the directory where there is none.
///
/// # Errors
/// Where that is not possible.
pub fn open(storage: &Path) -> Result<Store> {
    std::fs::create_dir_all(storage)
        .with_context(|| format!("{} cannot be made", storage.display()))?;
    let file = file(storage);
    Store::open(&file).with_context(|| format!("{} cannot be opened", file.display()))
}
