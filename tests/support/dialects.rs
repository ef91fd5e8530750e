//! Managers that speak the dialects of other APIs, whose servers the tests play.

pub use crate::managers::{age, fails, held, listen, on, stat, stats};
pub use crate::wait::{together, until};

use crate::managers;
use crate::server::Server;
use serde_json::{Value, json};
use tokenmgr::error::{Error, Result, Status};
use tokenmgr::{Manager, Response};

pub const USER: &str = "ann";
pub const PASSWORD: &str = "pass:word+% 1";
pub const CALL: &str = "/items";

pub fn try_manager_at(host: &str, password: &str, options: Value) -> Result<Manager> {
    managers::make(host, USER, password, options)
}

#[track_caller]
pub fn manager(server: &Server, options: Value) -> Manager {
    try_manager_at(&server.url(), PASSWORD, options).expect("a manager")
}

/// A manager that speaks this dialect.
#[track_caller]
pub fn speaks(server: &Server, auth: Value) -> Manager {
    manager(server, json!({"auth": auth}))
}

pub fn get(manager: &Manager) -> Result<Response> {
    managers::get(manager, CALL)
}

/// The HTTP status of a call that must be answered.
#[track_caller]
pub fn status(manager: &Manager) -> u16 {
    get(manager).expect("an answer").status
}

/// The error of a call that was answered.
#[track_caller]
pub fn answered(manager: &Manager, status: Status) -> Error {
    let error = get(manager).expect("an answer").error.expect("an error");
    assert_eq!(error.status(), status, "{error}");
    error
}
