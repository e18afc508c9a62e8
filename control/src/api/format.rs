//! The forms that a statement or report is written in.

use std::fmt;
use std::str::FromStr;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns for a terminal.
    Text,
    /// JSON.
    Json,
    /// Comma-separated values (RFC 4180) with a header.
    Csv,
    /// A page to be printed.
    Html,
}

/// A name of no form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected text, json, csv or html, found {0:?}")]
pub struct NoFormat(pub String);

impl Format {
    /// Every form.
    pub const ALL: [Format; 4] = [Format::Text, Format::Json, Format::Csv, Format::Html];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Html => "html",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; charset=utf-8",
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Html => "text/html; charset=utf-8",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = NoFormat;

    fn from_str(text: &str) -> Result<Self, NoFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| NoFormat(text.to_owned()))
    }
}
