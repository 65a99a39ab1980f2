//! Real time, for reports only: no run ever sees it. The one place of the simulator that asks the
//! machine's clocks.

use rustix::time::{ClockId, clock_gettime};

/// Measures how long something takes for whoever waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    began_s: f64,
}

impl Stopwatch {
    /// A stopwatch that runs from now on.
    #[must_use]
    pub fn start() -> Self {
        Self {
            began_s: seconds(ClockId::Monotonic),
        }
    }

    /// Seconds since it was started.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        seconds(ClockId::Monotonic) - self.began_s
    }
}

/// Measures the CPU time that the calling thread uses. Other threads and processes beside it do not
/// count, so that figures hold on a busy machine as well.
#[derive(Clone, Copy, Debug)]
pub struct CpuWatch {
    began_s: f64,
}

impl CpuWatch {
    /// A watch of the calling thread from now on.
    #[must_use]
    pub fn of_this_thread() -> Self {
        Self {
            began_s: seconds(ClockId::ThreadCPUTime),
        }
    }

    /// Seconds of CPU time since it was started, asked on the same thread.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        seconds(ClockId::ThreadCPUTime) - self.began_s
    }
}

/// A clock's reading. Asked through the kernel directly: madsim replaces the C library's call by
/// virtual time on threads that run a simulation.
#[expect(
    clippy::cast_precision_loss,
    reason = "a machine's uptime is far below 2^53 ns"
)]
fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
