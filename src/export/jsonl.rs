//! Rows as JSON Lines: an object a line.

use super::table::{Cell, Table};
use super::{Sink, sync};
use anyhow::Result;
use std::fs::File;
use std::io::{BufWriter, Write};

/// A file of JSON Lines.
pub(super) struct JsonLines {
    out: BufWriter<File>,
    table: &'static Table,
}

impl JsonLines {
    /// Begins a file.
    pub(super) fn new(out: BufWriter<File>, table: &'static Table) -> Self {
        Self { out, table }
    }
}

impl Sink for JsonLines {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        for (place, (column, cell)) in self.table.columns.iter().zip(cells).enumerate() {
            let begin = if place == 0 { '{' } else { ',' };
            write!(self.out, "{begin}\"{}\":", column.name)?;
            match cell {
                Cell::Text(text) => serde_json::to_writer(&mut self.out, text)?,
                Cell::Integer(number) => write!(self.out, "{number}")?,
                Cell::Flag(flag) => write!(self.out, "{flag}")?,
                Cell::Time(_) => write!(self.out, "\"{}\"", cell.rfc3339())?,
            }
        }
        Ok(self.out.write_all(b"}\n")?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        sync(self.out)
    }
}
