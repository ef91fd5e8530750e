//! What login, refresh and logout look like on the wire. Pure: bytes in, values out, time passed in.

pub mod answer;
pub mod outcome;
pub mod popup;
