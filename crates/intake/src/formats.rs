//! The formats of a kind of files, by name: a list that is written once, from which the type, the names and what a person is told of a
//! wrong one follow.

use thiserror::Error;

/// Why a text names no format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no {of} format {text:?}; there are {}", known.join(", "))]
pub struct UnknownFormat {
    /// What the formats are of: `trace`, `flow`.
    pub of: &'static str,
    /// What was named.
    pub text: String,
    /// The names there are.
    pub known: Vec<&'static str>,
}

/// Declares an enum of formats: `Format of "trace" { Csv "csv", … }` has `ALL` and `name`, and is read from and shown as a name.
#[macro_export]
macro_rules! formats {
    (
        $(#[$of_all:meta])*
        $visible:vis $format:ident of $of:literal { $( $(#[$of_one:meta])* $variant:ident $name:literal, )+ }
    ) => {
        $(#[$of_all])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $visible enum $format {
            $( $(#[$of_one])* $variant, )+
        }

        #[allow(unreachable_pub, reason = "as visible as the format, which may be of one module alone")]
        impl $format {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name, as it is given on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl ::std::str::FromStr for $format {
            type Err = $crate::UnknownFormat;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|format| format.name() == text).ok_or_else(|| {
                    let known = Self::ALL.iter().map(|format| format.name()).collect();
                    $crate::UnknownFormat { of: $of, text: text.to_owned(), known }
                })
            }
        }

        impl ::std::fmt::Display for $format {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    formats! {
        /// Two formats.
        Format of "test" {
            /// One.
            One "one",
            /// The other.
            TheOther "the-other",
        }
    }

    #[test]
    fn a_format_is_shown_as_it_is_named() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), *format);
        }
        assert_eq!(Format::ALL, [Format::One, Format::TheOther]);
    }

    #[test]
    fn what_names_none_is_told_the_names() {
        let error = "three".parse::<Format>().unwrap_err();
        assert_eq!(error.to_string(), "no test format \"three\"; there are one, the-other");
    }
}
