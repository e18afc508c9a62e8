//! Rows as Parquet: typed columns, dictionaries, Snappy; a row group is at most 65,536 rows, so
//! that memory stays at a few megabytes whatever the day.

use super::Sink;
use super::table::{Cell, Kind, SCHEMA_VERSION, Table};
use anyhow::{Result, bail};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::fs::File;
use std::sync::Arc;

/// Most rows of a group.
const GROUP: usize = 65_536;

/// A file of Parquet.
pub(super) struct Parquet {
    writer: SerializedFileWriter<File>,
    columns: Vec<Values>,
    rows: usize,
}

/// The values of one column until they are written.
enum Values {
    Texts(Vec<ByteArray>),
    Integers(Vec<i64>),
    Flags(Vec<bool>),
}

impl Parquet {
    /// Begins a file.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(super) fn new(file: File, table: &Table) -> Result<Self> {
        let version = KeyValue::new(
            "gavel.schema_version".to_owned(),
            SCHEMA_VERSION.to_string(),
        );
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("gavel {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(vec![version]))
            .build();
        let columns = table.columns.iter().map(|column| match column.kind {
            Kind::Text => Values::Texts(Vec::new()),
            Kind::Integer | Kind::Time => Values::Integers(Vec::new()),
            Kind::Flag => Values::Flags(Vec::new()),
        });
        Ok(Self {
            writer: SerializedFileWriter::new(file, schema(table)?, Arc::new(properties))?,
            columns: columns.collect(),
            rows: 0,
        })
    }

    fn write_group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for values in &mut self.columns {
            let Some(mut column) = group.next_column()? else {
                bail!("the file has fewer columns than its table");
            };
            match values {
                Values::Texts(texts) => {
                    column
                        .typed::<ByteArrayType>()
                        .write_batch(texts, None, None)?;
                    texts.clear();
                }
                Values::Integers(integers) => {
                    column
                        .typed::<Int64Type>()
                        .write_batch(integers, None, None)?;
                    integers.clear();
                }
                Values::Flags(flags) => {
                    column.typed::<BoolType>().write_batch(flags, None, None)?;
                    flags.clear();
                }
            }
            column.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

impl Sink for Parquet {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        for (values, cell) in self.columns.iter_mut().zip(cells) {
            match (values, cell) {
                (Values::Texts(texts), Cell::Text(text)) => texts.push(ByteArray::from(*text)),
                (Values::Integers(all), Cell::Integer(number) | Cell::Time(number)) => {
                    all.push(*number);
                }
                (Values::Flags(flags), Cell::Flag(flag)) => flags.push(*flag),
                (_, cell) => bail!("a cell that its column cannot hold: {cell:?}"),
            }
        }
        self.rows += 1;
        if self.rows == GROUP {
            self.write_group()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.write_group()?;
        let file = self.writer.into_inner()?;
        Ok(file.sync_all()?)
    }
}

fn schema(table: &Table) -> Result<Arc<Type>> {
    let mut fields = Vec::with_capacity(table.columns.len());
    for column in table.columns {
        let (physical, logical) = match column.kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Integer => (Physical::INT64, None),
            Kind::Flag => (Physical::BOOLEAN, None),
            Kind::Time => {
                let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
                (Physical::INT64, Some(time))
            }
        };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical)
            .build()?;
        fields.push(Arc::new(field));
    }
    Ok(Arc::new(
        Type::group_type_builder(table.name)
            .with_fields(fields)
            .build()?,
    ))
}
