//! The declaration of a wire object, from which reading and writing both follow.

/// Declares an OpenRTB object: a `Copy` struct of optional fields with `ext` and the unknown
/// fields that the receiver asked to keep, its [`Decode`](crate::decode::Decode), its
/// [`Encode`](crate::Encode) and the list of its field names.
///
/// A field line is `name: Type`, or `name "wire-name": Type` where Rust claims the name.
/// `then function` runs after the last field, for the older placements of a field.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $name:ident { $($field:ident $($wire:literal)? : $kind:ty,)* }
        $(then $then:path)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        #[allow(missing_docs, reason = "fields are the specification's, by its own names")]
        pub struct $name<'a> {
            $(pub $field: $kind,)*
            pub ext: Option<$crate::Value<'a>>,
            /// Fields that the model does not know, in order; empty unless asked for.
            pub unknown: &'a [(&'a str, $crate::Value<'a>)],
        }

        impl $name<'_> {
            /// The names of the object's fields, without `ext`.
            pub const FIELDS: &'static [&'static str] =
                &[$($crate::object::wire!($field $($wire)?)),*];
        }

        impl<'a> $crate::decode::Decode<'a> for $name<'a> {
            fn decode(
                cursor: &mut $crate::decode::Cursor<'_, 'a>,
            ) -> Result<Self, $crate::Fault> {
                let mut object = Self::default();
                object.fill(cursor)?;
                Ok(object)
            }

            fn decode_in_arena(
                cursor: &mut $crate::decode::Cursor<'_, 'a>,
            ) -> Result<&'a Self, $crate::Fault> {
                let object = cursor.context.arena.alloc(Self::default());
                object.fill(cursor)?;
                Ok(object)
            }
        }

        impl<'a> $name<'a> {
            fn fill(
                &mut self,
                cursor: &mut $crate::decode::Cursor<'_, 'a>,
            ) -> Result<(), $crate::Fault> {
                let mut unknown = $crate::object::Unknown::new(cursor.context);
                for _ in 0..cursor.open_object()? {
                    let key = cursor.key();
                    let read = match key {
                        $($crate::object::wire!($field $($wire)?) =>
                            $crate::decode::Field::field(cursor).map(|value| self.$field = value),)*
                        "ext" =>
                            $crate::decode::Field::field(cursor).map(|ext| self.ext = ext),
                        _ => unknown.read(key, cursor),
                    };
                    read.map_err(|fault| fault.within(key))?;
                }
                self.unknown = unknown.finish();
                $($then(self, cursor.context)?;)?
                Ok(())
            }
        }

        impl $crate::Encode for $name<'_> {
            fn encode(&self, out: &mut Vec<u8>) {
                #[allow(unused_imports, reason = "an object may have no field of its own")]
                use $crate::encode::EncodeField as _;
                let mut object = $crate::encode::Object::open(out);
                $(self.$field.encode_field(
                    $crate::object::member!($field $($wire)?), &mut object);)*
                self.ext.encode_field(",\"ext\":", &mut object);
                for (name, value) in self.unknown {
                    object.member(name, value);
                }
                object.close();
            }
        }
    };
}

macro_rules! wire {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $wire:literal) => {
        $wire
    };
}

/// The key as it is written: behind a comma, in quotes, before its colon.
macro_rules! member {
    ($field:ident) => {
        concat!(",\"", stringify!($field), "\":")
    };
    ($field:ident $wire:literal) => {
        concat!(",\"", $wire, "\":")
    };
}

pub(crate) use member;
pub(crate) use object;
pub(crate) use wire;

use crate::decode::{Context, Cursor, Keep};
use crate::{Fault, Value};
use bumpalo::collections::Vec as ArenaVec;

/// Collects the fields of an object that the model does not know.
pub(crate) struct Unknown<'a> {
    fields: Option<ArenaVec<'a, (&'a str, Value<'a>)>>,
}

impl<'a> Unknown<'a> {
    pub(crate) fn new(context: &Context<'a>) -> Self {
        let fields = (context.keep == Keep::All).then(|| ArenaVec::new_in(context.arena));
        Self { fields }
    }

    #[cold]
    pub(crate) fn read(&mut self, key: &'a str, cursor: &mut Cursor<'_, 'a>) -> Result<(), Fault> {
        match &mut self.fields {
            Some(fields) => fields.push((key, cursor.value()?)),
            None => cursor.skip()?,
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> &'a [(&'a str, Value<'a>)] {
        self.fields.map_or(&[], |fields| fields.into_bump_slice())
    }
}
