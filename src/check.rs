//! What `gavel check` says beyond the text of a configuration: whether what it names is there and
//! is what it should be. Nothing is made or changed.

use crate::config::Settings;
use crate::keys;
use crate::node;
use crate::rates::Rates;
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// Everything that is wrong with the files that `settings` name, each with its key.
pub fn files(settings: &Settings) -> Vec<String> {
    let given = |key: &'static str, path: Option<&Path>, look: fn(&Path) -> Result<()>| {
        path.and_then(|path| look(path).err())
            .map(|error| format!("{key}: {error:#}"))
    };
    let storage = Some(&*settings.storage);
    let looks = [
        given("storage.path", storage, folder_or_nothing),
        given(
            "control.admin_key_file",
            settings.admin_key_file.as_deref(),
            readable,
        ),
        given(
            "tokens.key_file",
            settings.token_key_file.as_deref(),
            |file| keys::read_signer(file).map(drop),
        ),
        given("audience.file", settings.audience_file.as_deref(), readable),
        given("geo.database", settings.geo_database.as_deref(), |file| {
            node::read_geo(file).map(drop)
        }),
        given("exchange.ca_file", settings.ca_file.as_deref(), |file| {
            node::read_trust(file).map(drop)
        }),
        given(
            "bidder.price_keys",
            settings.price_keys.as_deref(),
            price_keys,
        ),
        rates(settings).err().map(|error| {
            let error = format!("{error:#}");
            if error.starts_with("currency.") {
                error
            } else {
                format!("currency.file: {error}")
            }
        }),
    ];
    looks.into_iter().flatten().collect()
}

fn rates(settings: &Settings) -> Result<()> {
    Rates::new(settings)?.reread().map(drop)
}

fn readable(file: &Path) -> Result<()> {
    let opened = std::fs::File::open(file);
    opened
        .map(drop)
        .with_context(|| format!("{} cannot be read", file.display()))
}

/// A directory that is not there is made at the start.
fn folder_or_nothing(folder: &Path) -> Result<()> {
    let fine = !folder.exists() || folder.is_dir();
    ensure!(fine, "{} is not a directory", folder.display());
    Ok(())
}

fn price_keys(folder: &Path) -> Result<()> {
    let what = || format!("{} cannot be read", folder.display());
    for entry in std::fs::read_dir(folder).with_context(what)? {
        let path = entry.with_context(what)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(exchange) = name.and_then(|name| name.strip_suffix(".keys")) {
            keys::price_seal(folder, exchange)?;
        }
    }
    Ok(())
}
