//! How far long work is: a bar with rate and time left on a terminal, plain lines elsewhere. On
//! standard error, so that answers stay alone on standard output.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Lines that one phase of known length gets at most, where there is no terminal.
const LINES_MAX: u64 = 10;

/// Shows one task after another.
#[derive(Debug)]
pub struct Meter {
    bar: Option<ProgressBar>,
    phase: &'static str,
    /// The next plain line comes when so much is done.
    next: u64,
}

impl Meter {
    /// A meter that shows nothing yet.
    pub fn new() -> Self {
        let bar = std::io::stderr()
            .is_terminal()
            .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        Self {
            bar,
            phase: "",
            next: 0,
        }
    }

    /// Says how far a phase is; the first word of a new one ends the one before.
    pub fn show(&mut self, phase: &'static str, done: u64, total: Option<u64>) {
        let fresh = self.phase != phase;
        self.phase = phase;
        match &self.bar {
            Some(bar) => {
                if fresh {
                    bar.reset();
                    bar.set_style(style(total.is_some()));
                    bar.set_message(phase);
                }
                total.into_iter().for_each(|total| bar.set_length(total));
                bar.set_position(done);
            }
            None if fresh || done >= self.next || Some(done) == total => {
                let of = total.map_or(String::new(), |total| format!(" of {total}"));
                // Nobody reads: the work goes on.
                let _ = writeln!(std::io::stderr(), "{phase}: {done}{of}");
                let step = total.map_or(done, |total| total / LINES_MAX);
                self.next = done.saturating_add(step.max(1));
            }
            None => {}
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(bounded: bool) -> ProgressStyle {
    let bounded_template = "{msg:>9} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}";
    let template = if bounded {
        bounded_template
    } else {
        "{msg:>9} {spinner} {human_pos} {per_sec}"
    };
    ProgressStyle::with_template(template).expect("the template is a constant of ours")
}
