//! A closed choice of words.

/// Declares an enum whose values are words of a document.
macro_rules! choices {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $( $(#[doc = $about:literal])+ $variant:ident = $word:literal ),+ $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[doc = $about])+ $variant ),+ }

        impl $name {
            /// Every word.
            pub const WORDS: &[&str] = &[$( $word ),+];

            /// The word that documents carry.
            pub fn word(self) -> &'static str {
                match self { $( Self::$variant => $word ),+ }
            }
        }

        impl $crate::model::Model for $name {
            fn read(
                value: &serde_json::Value,
                at: &str,
                faults: &mut Vec<$crate::fault::Fault>,
            ) -> Option<Self> {
                match value.as_str() {
                    $( Some($word) => Some(Self::$variant), )+
                    _ => {
                        let found = $crate::model::shown(value);
                        let allowed = Self::WORDS.join(", ");
                        let detail = format!("expected one of {allowed}, found {found}");
                        $crate::model::refuse(faults, at, detail)
                    }
                }
            }

            fn write(&self) -> serde_json::Value {
                self.word().into()
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "type": "string", "enum": Self::WORDS })
            }
        }
    };
}

pub(crate) use choices;
