//! Bars for long work: on the standard error, if that is a terminal, else nowhere.

use std::borrow::Cow;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that is cleared when it is dropped.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// For so many things; without a number, if nobody knows it.
    pub(super) fn new(what: impl Into<Cow<'static, str>>, all: Option<u64>, quiet: bool) -> Self {
        if quiet || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let (length, template) = match all {
            Some(all) => (all, "{prefix} [{bar:30}] {pos}/{len} {elapsed} {msg}"),
            None => (0, "{prefix} {spinner} {pos} {elapsed} {msg}"),
        };
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("##."));
        Self(bar.with_prefix(what))
    }

    /// So many are done.
    pub(super) fn show(&self, done: u64, message: impl Into<Cow<'static, str>>) {
        self.0.set_message(message);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
