//! The baseline as bytes: small, because it is written at every poll.
//!
//! Two parts: `full`, all entries, and `changed`, those that differ from it. Most of 5,000 entries
//! do not change from minute to minute, so a poll writes `changed` alone; only when that has grown
//! large does it write `full` anew. Numbers are variable-length integers, small ones one byte.

use std::collections::{BTreeMap, BTreeSet};

use super::delta::{Entry, Key, Since};

/// Raised whenever the bytes or the meaning of a counter change; an older baseline is then dropped.
pub const FORMAT: i32 = 1;

/// Changes are folded into the full part once they concern this share of all entries: 1 of 2.
const FOLD_SHARE: usize = 2;
/// So few entries (about 4 KiB) are always packed whole.
const WHOLE_UP_TO: usize = 128;

const TOPLEVEL: u8 = 1;
const HAS_SINCE: u8 = 2;
const MINMAX_DIFFERS: u8 = 4;
const GONE: u8 = 8;

/// The entries a baseline holds, and which of them are not as in its full part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unpacked {
    /// The entries at the last poll.
    pub entries: BTreeMap<Key, Entry>,
    /// The keys of the changed part, entries gone since included.
    pub changed: BTreeSet<Key>,
}

/// What a poll continues.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The entries at the last poll.
    pub entries: &'a BTreeMap<Key, Entry>,
    /// The keys of the changed part.
    pub changed: &'a BTreeSet<Key>,
}

/// What a poll writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packed {
    /// All entries; the changed part becomes empty.
    Full(Vec<u8>),
    /// The entries that differ from the full part, which stays as it is.
    Changed(Vec<u8>),
}

/// Packs the entries of a poll, as changes to what is stored already where that is shorter.
#[must_use]
pub fn pack(base: Option<Base<'_>>, now: &BTreeMap<Key, Entry>) -> Packed {
    if let Some(base) = base {
        let differs = |key: &&Key| now.get(*key) != base.entries.get(*key);
        let all = now.keys().chain(base.entries.keys());
        let mut keys: BTreeSet<Key> = all.filter(differs).copied().collect();
        keys.extend(base.changed);
        if keys.len() * FOLD_SHARE <= now.len() && now.len() > WHOLE_UP_TO {
            let mut bytes = Vec::with_capacity(keys.len() * 64);
            for key in &keys {
                put(&mut bytes, key, now.get(key));
            }
            return Packed::Changed(bytes);
        }
    }
    let mut bytes = Vec::with_capacity(now.len() * 64);
    for (key, entry) in now {
        put(&mut bytes, key, Some(entry));
    }
    Packed::Full(bytes)
}

/// Reads both parts back; `None` if the bytes are not ours.
#[must_use]
pub fn unpack(full: &[u8], changed: &[u8]) -> Option<Unpacked> {
    let mut unpacked = Unpacked::default();
    let mut rest = Bytes(full);
    while !rest.0.is_empty() {
        let (key, entry) = rest.take_entry()?;
        unpacked.entries.insert(key, entry?);
    }
    let mut rest = Bytes(changed);
    while !rest.0.is_empty() {
        let (key, entry) = rest.take_entry()?;
        unpacked.changed.insert(key);
        match entry {
            Some(entry) => unpacked.entries.insert(key, entry),
            None => unpacked.entries.remove(&key),
        };
    }
    Some(unpacked)
}

fn put(bytes: &mut Vec<u8>, key: &Key, entry: Option<&Entry>) {
    let toplevel = if key.toplevel { TOPLEVEL } else { 0 };
    let rest = match entry.map(|entry| entry.since) {
        None => GONE,
        Some(None) => 0,
        Some(Some(since)) if since.minmax == since.entry => HAS_SINCE,
        Some(Some(_)) => HAS_SINCE | MINMAX_DIFFERS,
    };
    bytes.push(toplevel | rest);
    put_number(bytes, u64::from(key.role));
    bytes.extend(key.queryid.to_le_bytes());
    let Some(entry) = entry else { return };
    for sum in entry.sums.0 {
        put_number(bytes, sum);
    }
    put_number(bytes, entry.min_us);
    put_number(bytes, entry.max_us);
    if let Some(since) = entry.since {
        bytes.extend(since.entry.to_le_bytes());
        if since.minmax != since.entry {
            bytes.extend(since.minmax.to_le_bytes());
        }
    }
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return;
        }
    }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take_entry(&mut self) -> Option<(Key, Option<Entry>)> {
        let flags = self.take_byte()?;
        let role = u32::try_from(self.take_number()?).ok()?;
        let key = Key { role, toplevel: flags & TOPLEVEL != 0, queryid: self.take_i64()? };
        if flags & GONE != 0 {
            return Some((key, None));
        }
        let mut entry = Entry::default();
        for sum in &mut entry.sums.0 {
            *sum = self.take_number()?;
        }
        entry.min_us = self.take_number()?;
        entry.max_us = self.take_number()?;
        if flags & HAS_SINCE != 0 {
            let created = self.take_i64()?;
            let minmax = if flags & MINMAX_DIFFERS == 0 { created } else { self.take_i64()? };
            entry.since = Some(Since { entry: created, minmax });
        }
        Some((key, Some(entry)))
    }

    fn take_byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn take_i64(&mut self) -> Option<i64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i64::from_le_bytes(*first))
    }

    fn take_number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take_byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}
