//! The manual page: docs/man/tokenmgr.1.

use crate::texts;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::Result;

/// The page of the command, with all its subcommands in it.
pub fn page(mut command: Command) -> Result<String> {
    command.build();
    let page = Man::new(command.clone());
    let mut parts = Vec::new();
    title().to_writer(&mut parts)?;
    page.render_name_section(&mut parts)?;
    synopsis(&command).to_writer(&mut parts)?;
    page.render_description_section(&mut parts)?;
    Roff::new().control("SH", ["COMMANDS"]).to_writer(&mut parts)?;
    for subcommand in visible(&command) {
        write_subcommand(subcommand, &mut parts)?;
    }
    page.render_options_section(&mut parts)?;
    rest().to_writer(&mut parts)?;
    Ok(joined(&String::from_utf8_lossy(&parts)))
}

/// Each part brings the definition of the apostrophe along: once is enough.
fn joined(parts: &str) -> String {
    const COMMENT: &str = ".\\\" Generated from cli/src by `make docs-tables`; do not edit.";
    let is_definition = |line: &&str| line.starts_with(".ie ") || line.starts_with(".el ");
    let lines = std::iter::once(COMMENT)
        .chain(parts.lines().take(2))
        .chain(parts.lines().skip(2).filter(|line| !is_definition(line)));
    lines.map(|line| format!("{line}\n")).collect()
}

fn title() -> Roff {
    let mut roff = Roff::new();
    // Quotes, or an empty date would be none.
    roff.control("TH", ["TOKENMGR", "1", "\"\"", "libtokenmgr", "User Commands"]);
    roff
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set())
}

/// What stands behind `Usage:`.
fn usage(command: &Command) -> String {
    let text = command.clone().render_usage().to_string();
    text.trim_start_matches("Usage: ").to_owned()
}

fn synopsis(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for (i, subcommand) in visible(command).enumerate() {
        if i > 0 {
            roff.control("br", []);
        }
        let name = format!("tokenmgr {}", subcommand.get_name());
        let usage = usage(subcommand);
        roff.control("B", [name.as_str()]);
        roff.text([roman(usage.strip_prefix(&name).unwrap_or(&usage).trim_start())]);
    }
    roff
}

/// A subsection: what the subcommand does, and its own options.
fn write_subcommand(subcommand: &Command, parts: &mut Vec<u8>) -> Result<()> {
    let mut roff = Roff::new();
    roff.control("SS", [usage(subcommand).as_str()]);
    let about = subcommand.get_long_about().or_else(|| subcommand.get_about());
    roff.text([roman(about.map(ToString::to_string).unwrap_or_default())]);
    roff.to_writer(parts)?;

    let own = subcommand.get_arguments().filter(|arg| !arg.is_global_set()).cloned();
    let own = Command::new("own").disable_help_flag(true).args(own);
    let mut options = Vec::new();
    Man::new(own).render_options_section(&mut options)?;
    // Its heading is this subsection's.
    parts.extend(String::from_utf8_lossy(&options).replace(".SH OPTIONS\n", "").into_bytes());
    Ok(())
}

fn rest() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]).text([roman(texts::NO_PASSWORD)]);
    entries(&mut roff, texts::ENVIRONMENT);
    roff.control("PP", []).text([roman(texts::STORE)]);
    roff.control("SH", ["FILES"]);
    entries(&mut roff, texts::FILES);
    roff.control("SH", ["EXIT STATUS"]);
    entries(&mut roff, texts::EXIT_CODES);
    roff.control("PP", []).text([roman(texts::AFTER_EXIT_CODES)]);
    roff.control("SH", ["EXAMPLES"]);
    for (what, lines) in texts::EXAMPLES {
        roff.control("PP", []).text([roman(*what)]).control("PP", []).control("RS", []).control("nf", []);
        roff.text([roman(*lines)]).control("fi", []).control("RE", []);
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("curl"), roman("(1), "), bold("jq"), roman("(1)")]);
    roff
}

fn entries(roff: &mut Roff, entries: &[(&str, &str)]) {
    for (name, meaning) in entries {
        roff.control("TP", []).text([bold(*name)]).text([roman(*meaning)]);
    }
}
