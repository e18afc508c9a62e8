//! `gavel export`: the event log and the auction log for a warehouse, a folder for each table and
//! day, in Parquet, CSV and JSON Lines. Exporting a day again replaces its files whole.
//!
//! The tables are described in `docs/event-log.md` and, for programs, in `schema.json` beside
//! them. Every row says the version of its schema.

mod csv;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod sources;
mod table;

use crate::config::Settings;
use crate::{log, node};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::statement::Period;
use ledger::store::{AuctionFile, SqliteStore};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use table::{Cell, TABLES, Table};

/// What `gavel export` is told.
#[derive(Args)]
pub struct ExportArguments {
    /// The configuration file.
    #[arg(long, default_value = "gavel.toml")]
    pub config: PathBuf,
    /// The first day, YYYY-MM-DD, in UTC.
    #[arg(long)]
    pub from: Date,
    /// The last day; it is exported too.
    #[arg(long)]
    pub to: Date,
    /// Formats, separated by commas.
    #[arg(long, value_delimiter = ',', required = true)]
    pub format: Vec<Form>,
    /// The folder to write into.
    #[arg(long)]
    pub out: PathBuf,
}

/// A format of exported files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Apache Parquet.
    Parquet,
    /// CSV (RFC 4180) with a header.
    Csv,
    /// JSON Lines.
    Jsonl,
}

impl Form {
    fn extension(self) -> &'static str {
        match self {
            Form::Parquet => "parquet",
            Form::Csv => "csv",
            Form::Jsonl => "jsonl",
        }
    }
}

/// Where the rows of one file go.
trait Sink {
    /// Takes a row, a cell for each column.
    ///
    /// # Errors
    /// Where the disk refuses.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()>;

    /// Writes what is left and makes it durable.
    ///
    /// # Errors
    /// Where the disk refuses.
    fn finish(self: Box<Self>) -> Result<()>;
}

impl ExportArguments {
    /// Exports and says how much.
    ///
    /// # Errors
    /// Where the logs cannot be read or the folder cannot be written.
    pub fn run(&self, settings: &Settings) -> Result<String> {
        if self.from > self.to {
            bail!("--from {} is after --to {}", self.from, self.to);
        }
        let mut forms = self.format.clone();
        forms.sort_by_key(|form| form.extension());
        forms.dedup();
        #[cfg(not(feature = "parquet"))]
        if forms.contains(&Form::Parquet) {
            bail!("--format parquet: this program was built without the feature `parquet`");
        }
        let books = SqliteStore::read(&node::ledger_file(&settings.storage))
            .context("the ledger cannot be read")?;
        let auctions = AuctionFile::read(&log::file(&settings.storage))?;
        fs::create_dir_all(&self.out).with_context(|| format!("{}", self.out.display()))?;
        fs::write(self.out.join("schema.json"), table::schema())?;
        let mut counts = [0_u64; TABLES.len()];
        let mut date = self.from;
        while date <= self.to {
            let next = date.checked_add(1.day())?;
            let begin = |date: Date| -> Result<i64> {
                Ok(date.to_zoned(TimeZone::UTC)?.timestamp().as_millisecond())
            };
            let period = Period {
                from_ms: begin(date)?,
                to_ms: begin(next)?,
            };
            let mut day = Day {
                out: &self.out,
                date,
                forms: &forms,
                files: Vec::new(),
            };
            let exported =
                sources::visit(&books, auctions.as_ref(), period, &mut |table, cells| {
                    counts[table] += 1;
                    day.row(table, cells)
                });
            day.end(exported)?;
            date = next;
        }
        Ok(self.said(&counts))
    }

    fn said(&self, counts: &[u64]) -> String {
        let each: Vec<String> = TABLES
            .iter()
            .zip(counts)
            .map(|(table, count)| format!("{count} {}", table.name))
            .collect();
        let (out, from, to) = (self.out.display(), self.from, self.to);
        format!("{} of {from} to {to} are in {out}\n", each.join(", "))
    }
}

/// The files of one day while they are written.
struct Day<'e> {
    out: &'e Path,
    date: Date,
    forms: &'e [Form],
    files: Vec<Open>,
}

struct Open {
    table: usize,
    path: PathBuf,
    sink: Box<dyn Sink>,
}

impl Day<'_> {
    fn row(&mut self, table: usize, cells: &[Cell<'_>]) -> Result<()> {
        if !self.files.iter().any(|open| open.table == table) {
            for form in self.forms {
                let path = self.path(&TABLES[table], *form);
                let sink = create(*form, &TABLES[table], &partial(&path))
                    .with_context(|| format!("{} cannot be written", path.display()))?;
                self.files.push(Open { table, path, sink });
            }
        }
        for open in self.files.iter_mut().filter(|open| open.table == table) {
            let written = open.sink.row(cells);
            written.with_context(|| format!("{} cannot be written", open.path.display()))?;
        }
        Ok(())
    }

    /// Puts the day's files in the place of earlier ones, which are removed where the day is empty
    /// now. After a fault nothing is replaced.
    fn end(&mut self, exported: Result<()>) -> Result<()> {
        let files = std::mem::take(&mut self.files);
        if exported.is_err() {
            for open in files {
                drop(open.sink);
                let _ = fs::remove_file(partial(&open.path));
            }
            return exported;
        }
        let written: Vec<PathBuf> = files.iter().map(|open| open.path.clone()).collect();
        for open in files {
            let path = open.path;
            open.sink
                .finish()
                .and_then(|()| Ok(fs::rename(partial(&path), &path)?))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        for table in &TABLES {
            for form in self.forms {
                let path = self.path(table, *form);
                if !written.contains(&path) && path.exists() {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    fn path(&self, table: &Table, form: Form) -> PathBuf {
        let folder = self
            .out
            .join(table.name)
            .join(format!("date={}", self.date));
        folder.join(format!("{}.{}", table.name, form.extension()))
    }
}

/// The name of a file that is not finished; readers of `*.parquet` pass it by.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn create(form: Form, table: &'static Table, path: &Path) -> Result<Box<dyn Sink>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = File::create(path)?;
    Ok(match form {
        #[cfg(feature = "parquet")]
        Form::Parquet => Box::new(parquet::Parquet::new(file, table)?),
        #[cfg(not(feature = "parquet"))]
        Form::Parquet => bail!("this program was built without the feature `parquet`"),
        Form::Csv => Box::new(csv::Csv::new(BufWriter::new(file), table)?),
        Form::Jsonl => Box::new(jsonl::JsonLines::new(BufWriter::new(file), table)),
    })
}

/// Empties the buffer and syncs the file.
fn sync(writer: BufWriter<File>) -> Result<()> {
    let mut writer = writer;
    writer.flush()?;
    let file = writer
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    Ok(file.sync_all()?)
}
