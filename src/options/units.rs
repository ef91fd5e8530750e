//! Whole numbers that carry their unit and range in their type, so that neither can be forgotten.

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use std::fmt;
use std::time::Duration;

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<const MIN: u64, const MAX: u64>(pub u64);

        impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for $name<MIN, MAX> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let range = Range { unit: $unit, min: MIN, max: MAX };
                deserializer.deserialize_any(range).map($name)
            }
        }

        #[cfg(feature = "schema")]
        impl<const MIN: u64, const MAX: u64> schemars::JsonSchema for $name<MIN, MAX> {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                format!("{}_{MIN}_{MAX}", stringify!($name)).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "integer", "minimum": MIN, "maximum": MAX, "x-unit": $unit
                })
            }
        }

        #[cfg(feature = "schema")]
        impl<const MIN: u64, const MAX: u64> serde::Serialize for $name<MIN, MAX> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(self.0)
            }
        }
    };
}

bounded!(
    /// A time in milliseconds.
    Millis,
    "milliseconds"
);
bounded!(
    /// A time in seconds.
    Seconds,
    "seconds"
);
bounded!(
    /// A size in bytes.
    Bytes,
    "bytes"
);
bounded!(
    /// How many of something.
    Count,
    "count"
);

impl<const MIN: u64, const MAX: u64> Millis<MIN, MAX> {
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

/// Takes a whole number within a range; whole floats too, as PHP and JavaScript write them.
struct Range {
    unit: &'static str,
    min: u64,
    max: u64,
}

impl Range {
    fn check<E: de::Error>(&self, number: u64) -> Result<u64, E> {
        if (self.min..=self.max).contains(&number) {
            Ok(number)
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(number), self))
        }
    }
}

impl Visitor<'_> for Range {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { unit, min, max } = self;
        match *unit {
            "count" => write!(f, "a whole number from {min} to {max}"),
            unit => write!(f, "a whole number of {unit} from {min} to {max}"),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        self.check(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        match u64::try_from(number) {
            Ok(number) => self.check(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        if number.fract() == 0.0 && (0.0..9.0e15).contains(&number) {
            self.check(number as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }
}
