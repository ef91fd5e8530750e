//! `reqwest::blocking` behind the interface of `c/engine.h`: one client for all threads, as its
//! documentation advises, with the settings that it comes with.

use std::error::Error;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use reqwest::blocking::Client;
use reqwest::{Certificate, StatusCode};

/// `struct target`
#[repr(C)]
pub struct Target {
    base_url: *const c_char,
    token: *const c_char,
    ca_file: *const c_char,
    bundle: *const c_char,
    login: bool,
}

/// `struct engine`
#[repr(C)]
pub struct Engine {
    shared: bool,
    tls: bool,
    open: unsafe extern "C" fn(*const Target) -> *mut c_void,
    request: unsafe extern "C" fn(*mut c_void) -> bool,
    close: unsafe extern "C" fn(*mut c_void),
}

// The name is the one that the bench programs look up.
#[allow(non_upper_case_globals)]
#[unsafe(no_mangle)]
pub static engine: Engine = Engine {
    shared: true,
    tls: true,
    open,
    request,
    close,
};

struct Peer {
    client: Client,
    products_url: String,
    token: String,
}

impl Peer {
    fn open(
        base_url: &str,
        token: &str,
        ca_file: Option<&str>,
        login: bool,
    ) -> Result<Self, Box<dyn Error>> {
        // A second client of one process finds it installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder();
        if let Some(path) = ca_file {
            builder = builder.add_root_certificate(Certificate::from_pem(&std::fs::read(path)?)?);
        }
        let client = builder.build()?;
        if login {
            // The answer's token is the one that the server is known to give.
            let body = r#"{"username":"bench","password":"bench"}"#;
            let request = client.post(format!("{base_url}/auth/login"));
            request
                .header("content-type", "application/json")
                .body(body)
                .send()?
                .error_for_status()?
                .bytes()?;
        }
        Ok(Self {
            client,
            products_url: format!("{base_url}/api/v1/products"),
            token: token.to_owned(),
        })
    }

    fn request(&self) -> Result<(), Box<dyn Error>> {
        let response = self
            .client
            .get(&self.products_url)
            .bearer_auth(&self.token)
            .send()?;
        let status = response.status();
        let body = response.bytes()?;
        if status != StatusCode::OK || body.len() < 900 {
            return Err(format!("unexpected answer {status}").into());
        }
        Ok(())
    }
}

fn report(error: &dyn Error) {
    eprintln!("reqwest::blocking: {error}");
}

/// The programs pass UTF-8 that outlives the call, or NULL.
unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_str().expect("UTF-8"))
}

unsafe extern "C" fn open(target: *const Target) -> *mut c_void {
    let target = unsafe { &*target };
    let base_url = unsafe { text(target.base_url) }.expect("a URL");
    let token = unsafe { text(target.token) }.expect("a token");
    match Peer::open(
        base_url,
        token,
        unsafe { text(target.ca_file) },
        target.login,
    ) {
        Ok(peer) => Box::into_raw(Box::new(peer)).cast(),
        Err(error) => {
            report(&*error);
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn request(client: *mut c_void) -> bool {
    let peer = unsafe { &*client.cast::<Peer>() };
    peer.request().inspect_err(|error| report(&**error)).is_ok()
}

unsafe extern "C" fn close(client: *mut c_void) {
    drop(unsafe { Box::from_raw(client.cast::<Peer>()) });
}
