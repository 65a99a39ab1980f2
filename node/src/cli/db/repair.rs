//! `archivas db check | compact | rollback | reindex`.

use archivas_core::chain::{
    BadBranch, Chain, DERIVED, Replay, audit, copy_underived, first_difference, open_rebuilt,
};
use archivas_core::primitives::{Height, LtHash, Timestamp};
use archivas_core::schema;
use archivas_core::storage::{StorageError, StorageErrorKind};
use serde_json::json;

use super::{Held, Place, opening, storage};
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::progress::Meter;
use crate::store::Store;

/// Runs `archivas db check`.
pub fn check(held: &Held, full: bool, output: &Output) -> Result<(), Failure> {
    let chain = held.chain()?;
    let rows = held.store.snapshot().map_err(storage)?;
    let mut meter = Meter::new();
    let mut show = |phase, done, total| meter.show(phase, done, total);
    let found = audit(&rows, &held.place.genesis, &mut show).map_err(repairable)?;
    if full {
        execute_again(held, &mut meter)?;
    }
    drop(meter);
    let tip = chain.tip();
    let value = json!({
        "ok": true,
        "full": full,
        "height": tip.height.get(),
        "hash": tip.id.to_string(),
        "headers": found.headers,
        "bodies": found.bodies,
        "transfers": found.transfers,
        "accounts": found.accounts,
    });
    let how = if full {
        "everything executed again"
    } else {
        "every row looked at"
    };
    let text = format!(
        "sound, {how}: tip {} {}, {} headers, {} bodies, {} transfers, {} accounts",
        tip.height, tip.id, found.headers, found.bodies, found.transfers, found.accounts
    );
    output.print(&value, text)?;
    Ok(())
}

/// Does everything again in a scratch file, which nobody keeps, and compares.
fn execute_again(held: &Held, meter: &mut Meter) -> Result<(), Failure> {
    let rows = held.store.snapshot().map_err(storage)?;
    let genesis = &held.place.genesis;
    let tip = schema::tip(&rows).map_err(storage)?.height;
    held.place.directory.with_scratch(|scratch| {
        let replay = Replay::begin(&rows, scratch, genesis, tip).map_err(repairable)?;
        let (scratch, _) = drive(replay, tip, meter)?;
        for table in DERIVED {
            let name = table.name();
            meter.show(name, 0, None);
            if let Some(key) = first_difference(&rows, &scratch, table).map_err(storage)? {
                let why = &"the blocks lead to something else";
                return Err(repairable(StorageError::damaged(table, &key, why)));
            }
        }
        Ok(())
    })
}

fn drive<R: archivas_core::storage::Reader>(
    mut replay: Replay<'_, R, Store>,
    end: Height,
    meter: &mut Meter,
) -> Result<(Store, LtHash), Failure> {
    while replay.step().map_err(repairable)? {
        meter.show("blocks", replay.height().get(), Some(end.get()));
    }
    Ok(replay.finish())
}

/// Damage, with what can be done about it.
fn repairable(error: StorageError) -> Failure {
    let damaged = error.kind == StorageErrorKind::Damaged;
    let mut failure = storage(error);
    if damaged {
        failure.sentence.push_str(
            "; try `archivas db reindex`, and if that fails too, begin from a snapshot or sync \
             again in a new data directory",
        );
    }
    failure
}

/// Runs `archivas db compact`.
pub fn compact(held: Held, output: &Output) -> Result<(), Failure> {
    drop(held.chain()?);
    let Held { place, store } = held;
    let before = place.directory.store_bytes()?;
    store.compact().map_err(storage)?;
    let after = place.directory.store_bytes()?;
    let value = json!({ "ok": true, "before": before, "after": after });
    output.print(&value, format!("{before} bytes became {after}"))?;
    Ok(())
}

/// Runs `archivas db reindex`.
pub fn reindex(held: Held, output: &Output) -> Result<(), Failure> {
    let tip = schema::tip(&held.store).map_err(storage)?.height;
    drop(rebuild(held, tip)?);
    let value = json!({ "ok": true, "height": tip.get() });
    output.print(&value, format!("made anew up to height {tip}"))?;
    Ok(())
}

/// Puts a database in place of this one in which everything up to a height was made anew.
fn rebuild(held: Held, to: Height) -> Result<Place, Failure> {
    let Held { place, store } = held;
    let genesis = place.genesis.clone();
    let mut meter = Meter::new();
    place.directory.replace_store(|mut fresh| {
        let rows = store.snapshot().map_err(storage)?;
        meter.show("copying", 0, None);
        copy_underived(&rows, &mut fresh).map_err(storage)?;
        let replay = Replay::begin(&rows, fresh, &genesis, to).map_err(storage)?;
        let (fresh, lthash) = drive(replay, to, &mut meter)?;
        open_rebuilt(fresh, genesis.clone(), to, &lthash)
            .map(drop)
            .map_err(opening)
    })?;
    Ok(place)
}

/// Runs `archivas db rollback`.
pub fn rollback(held: Held, to: Height, keep_off: bool, output: &Output) -> Result<(), Failure> {
    let mut chain = held.chain()?;
    let tip = chain.tip().height;
    if to >= tip {
        return Err(Failure::refused(format!(
            "the tip has height {tip}: there is nothing above {to} to forget"
        )));
    }
    let (base, horizon) = (chain.base(), chain.horizon());
    // With all bodies what lies below can be made anew; else there is no way to the state there.
    if base > Height::GENESIS && to < horizon {
        return Err(Failure::refused(format!(
            "this database leads back to height {horizon} and no further, and its bodies begin above \
             height {base}: for height {to} sync, or import a snapshot, in a new data directory"
        )));
    }
    let first = schema::required_best(chain.reader(), to.next()).map_err(storage)?;
    let place = if to >= chain.horizon() {
        let mut meter = Meter::new();
        let all = tip.get() - to.get();
        if !keep_off {
            let mut down = |height: Height| {
                let done = tip.get().saturating_sub(height.get());
                meter.show("blocks", done, Some(all));
            };
            chain.roll_back(to, &mut down).map_err(storage)?;
        }
        drop(chain);
        let Held { place, store } = held;
        drop(store);
        place
    } else {
        drop(chain);
        rebuild(held, to)?
    };
    let store = place.directory.open_store()?;
    let mut chain = Chain::open(store, place.genesis.clone()).map_err(opening)?;
    if keep_off {
        let now = Timestamp::new(0);
        let done = chain.invalidate(now, &first).map_err(storage)?;
        done.map_err(|bad: BadBranch| Failure::refused(bad.to_string()))?;
        while chain.is_walking() {
            chain.step(now).map_err(storage)?;
        }
    }
    let tip = chain.tip();
    let value = json!({
        "ok": true,
        "height": tip.height.get(),
        "hash": tip.id.to_string(),
        "keptOff": keep_off.then(|| first.to_string()),
    });
    output.print(&value, format!("tip {} {}", tip.height, tip.id))?;
    Ok(())
}
