//! What a panic said, and where. The payload that unwinds knows only the words; the place is known to
//! the panic hook alone, so one hook for the whole process keeps it for threads that run a
//! simulation, by thread. Runs do not read it before they have ended.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Mutex, Once, PoisonError};

use crate::thread::RUN_THREAD;

/// Where the panics of running simulations happened, by the thread's id as text.
static PLACES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
static HOOK: Once = Once::new();

/// From now on, panics of simulations are kept silently, and all others reported as before.
pub fn watch() {
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info
                .location()
                .map(|at| format!("{}:{}", at.file(), at.line()));
            match (std::thread::current().name(), place) {
                (Some(RUN_THREAD), Some(place)) => {
                    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
                    // The first panic is the cause; those of drops that follow are not.
                    places.entry(thread_id()).or_insert(place);
                }
                _ => usual(info),
            }
        }));
    });
}

/// Where the panic of this thread's simulation happened, once.
#[must_use]
pub fn take_place() -> Option<String> {
    PLACES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&thread_id())
}

/// The words of a panic's payload.
#[must_use]
pub fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic".into())
}

fn thread_id() -> String {
    format!("{:?}", std::thread::current().id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::{Measured, run_measured};

    #[test]
    fn a_panic_is_kept_with_its_words_and_its_place() {
        watch();
        let Measured { result, place, .. } = run_measured(1, async || -> () {
            panic!("seven is {}", 7);
        });
        assert_eq!(words(&*result.unwrap_err()), "seven is 7");
        assert!(place.unwrap().contains("panics.rs:"));
    }
}
