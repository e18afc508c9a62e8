//! What is wrong with a message, and where.

use std::fmt;

/// A fault in a message: the path of the field and what is wrong with it.
///
/// The path is written as a person would point at it, `imp[0].banner.w`; it is empty when the
/// message as a whole is at fault. It is built while the error travels up, so that a good
/// message pays nothing for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field, root first.
    pub field: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes are not JSON; `at` is the offset in bytes where the parser gave up.
    Syntax {
        /// Offset in bytes from the start of the body.
        at: usize,
        /// The parser's own word for it.
        reason: String,
    },
    /// The value has another type than the specification gives it.
    Type {
        /// The type that is allowed.
        expected: &'static str,
        /// The type that was found.
        found: &'static str,
    },
    /// The value is of the right type and not allowed.
    Value(String),
    /// A required field is absent or empty.
    Missing,
    /// A limit of the receiver is exceeded.
    Limit {
        /// What is counted: bytes, levels or elements.
        what: &'static str,
        /// The most that is accepted.
        most: usize,
    },
}

impl Fault {
    pub(crate) fn here(problem: Problem) -> Self {
        Self {
            field: String::new(),
            problem,
        }
    }

    /// A fault at `field`.
    pub fn at(field: impl Into<String>, problem: Problem) -> Self {
        Self {
            field: field.into(),
            problem,
        }
    }

    pub(crate) fn within(mut self, name: &str) -> Self {
        let dot = if self.field.is_empty() || self.field.starts_with('[') {
            ""
        } else {
            "."
        };
        self.field = format!("{name}{dot}{}", self.field);
        self
    }

    pub(crate) fn within_index(mut self, index: usize) -> Self {
        let dot = if self.field.is_empty() || self.field.starts_with('[') {
            ""
        } else {
            "."
        };
        self.field = format!("[{index}]{dot}{}", self.field);
        self
    }

    /// Whether the fault is a limit of ours rather than a mistake of the sender.
    pub fn is_limit(&self) -> bool {
        match self.problem {
            Problem::Limit { .. } => true,
            Problem::Syntax { .. }
            | Problem::Type { .. }
            | Problem::Value(_)
            | Problem::Missing => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        match &self.problem {
            Problem::Syntax { at, reason } => write!(f, "not valid JSON at byte {at}: {reason}"),
            Problem::Type { expected, found } => write!(f, "expected {expected}, found {found}"),
            Problem::Value(what) => f.write_str(what),
            Problem::Missing => f.write_str("required field is missing or empty"),
            Problem::Limit { what, most } => write!(f, "more than {most} {what}"),
        }
    }
}

impl std::error::Error for Fault {}
