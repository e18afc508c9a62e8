//! Rows as CSV (RFC 4180). Texts are no formulas of a spreadsheet.

use super::table::{Cell, Table};
use super::{Sink, sync};
use crate::statement::csv::field;
use anyhow::Result;
use std::fs::File;
use std::io::{BufWriter, Write};

/// A file of CSV.
pub(super) struct Csv(BufWriter<File>);

impl Csv {
    /// Begins a file with its header.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(super) fn new(mut out: BufWriter<File>, table: &Table) -> Result<Self> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        write!(out, "{}\r\n", names.join(","))?;
        Ok(Self(out))
    }
}

impl Sink for Csv {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                self.0.write_all(b",")?;
            }
            match cell {
                Cell::Text(text) => self.0.write_all(field(text).as_bytes())?,
                Cell::Integer(number) => write!(self.0, "{number}")?,
                Cell::Flag(flag) => write!(self.0, "{flag}")?,
                Cell::Time(_) => self.0.write_all(cell.rfc3339().as_bytes())?,
            }
        }
        Ok(self.0.write_all(b"\r\n")?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        sync(self.0)
    }
}
