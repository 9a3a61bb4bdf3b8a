use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::jobs::slow_queries::delta::{COUNTERS, Entry, Key, Since, Sums};
use crate::jobs::slow_queries::pack::{Base, Packed, Unpacked, pack, unpack};

type Entries = BTreeMap<Key, Entry>;

fn key() -> impl Strategy<Value = Key> {
    (0..3u32, any::<bool>(), -100..100i64).prop_map(|(role, toplevel, queryid)| Key {
        role,
        toplevel,
        queryid,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let sums = prop::array::uniform::<_, COUNTERS>(prop_oneof![0..200u64, any::<u64>()]);
    let since = prop::option::of((any::<i64>(), any::<bool>()));
    (sums, any::<u64>(), any::<u64>(), since).prop_map(|(sums, min_us, max_us, since)| Entry {
        sums: Sums(sums),
        min_us,
        max_us,
        since: since.map(|(entry, same)| Since { entry, minmax: if same { entry } else { 5 } }),
    })
}

fn base(stored: &Unpacked) -> Base<'_> {
    Base { entries: &stored.entries, changed: &stored.changed }
}

/// What the two columns hold after each poll.
fn store(columns: &mut (Vec<u8>, Vec<u8>), packed: Packed) {
    match packed {
        Packed::Full(bytes) => *columns = (bytes, Vec::new()),
        Packed::Changed(bytes) => columns.1 = bytes,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Entries come, go and count on; now and then so many that all are packed anew.
    #[test]
    fn every_poll_reads_back_what_the_last_one_saw(
        first in prop::collection::btree_map(key(), entry(), 130..200),
        polls in prop::collection::vec(
            prop::collection::vec((key(), prop::option::weighted(0.7, entry())), 0..40), 1..12,
        ),
    ) {
        let mut now: Entries = first;
        let mut columns = Default::default();
        let mut stored: Option<Unpacked> = None;
        for edits in polls {
            for (key, entry) in edits {
                match entry {
                    Some(entry) => now.insert(key, entry),
                    None => now.remove(&key),
                };
            }
            store(&mut columns, pack(stored.as_ref().map(base), &now));
            let read = unpack(&columns.0, &columns.1).expect("our own bytes");
            prop_assert_eq!(&read.entries, &now);
            stored = Some(read);
        }
    }

    #[test]
    fn foreign_bytes_do_no_harm(full: Vec<u8>, changed: Vec<u8>) {
        let _ = unpack(&full, &changed);
    }
}

#[test]
fn a_quiet_poll_writes_little() {
    let keys = (0..5000).map(|queryid| Key { role: 10, toplevel: true, queryid });
    let mut now: Entries = keys.map(|key| (key, Entry::default())).collect();
    let Packed::Full(full) = pack(None, &now) else { panic!("nothing to differ from") };
    let stored = unpack(&full, &[]).expect("our own bytes");
    for (_, entry) in now.iter_mut().take(20) {
        entry.sums.0[0] += 1;
    }
    let Packed::Changed(changed) = pack(Some(base(&stored)), &now) else {
        panic!("20 of 5,000 changed")
    };
    assert!(changed.len() < 1000, "{} bytes", changed.len());

    for entry in now.values_mut() {
        entry.sums.0[0] += 1;
    }
    assert!(matches!(pack(Some(base(&stored)), &now), Packed::Full(_)), "all changed");
}
