//! Another Rust library in the same program: it has the runtime's symbols, too, and unwinds by itself.

#[unsafe(no_mangle)]
pub extern "C" fn other_catches(number: i32) -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    std::panic::catch_unwind(|| if number > 0 { panic!("{number}") }).map_or(number, |()| 0)
}
