//! Dialects end to end: the option `auth` against scripted servers that answer as the real ones do. What arrived is the
//! oracle: how often, where, and with what.
//!
//! Where each shape of API is: the examples of the language's description in `examples` (`example_1_…` to `example_5_…`), the
//! presets in `presets` by their names and in `vault`, DPoP in `dpop`, assertions in `assertions`. The rules of sharing over every
//! store are in tests/stores.

mod assertions;
mod carriers;
mod check;
mod discovery;
mod dpop;
mod examples;
mod hostile;
mod meanings;
mod mutual_tls;
mod oauth2;
mod pauses;
mod presets;
mod secrecy;
mod steps;
mod vault;
