//! Rows written in this turn: the view does not show them yet.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::{Bytes, BytesMut};
use martlet_store::View;

use crate::turn::Turn;

/// The rows that later commands of the same turn must see. Emptied when the turn is sealed: from
/// then on the driver's view has them.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    rows: BTreeMap<Vec<u8>, Bytes>,
}

impl Fresh {
    /// Writes a row that is read back by key.
    pub(crate) fn put(
        &mut self,
        turn: &mut Turn<'_>,
        key: &[u8],
        encode: impl FnOnce(&mut BytesMut),
    ) {
        let mut value = BytesMut::new();
        encode(&mut value);
        turn.batch.put(key, &value);
        self.rows.insert(key.to_vec(), value.freeze());
    }

    /// The newest value of a row.
    pub(crate) fn get(&self, view: &dyn View, key: &[u8]) -> Option<Bytes> {
        // Most turns end with few rows here: the map is smaller than any store behind the view.
        self.rows.get(key).cloned().or_else(|| view.get(key))
    }

    /// The first row of `from..to` that was written in this turn.
    pub(crate) fn first(&self, from: &[u8], to: &[u8]) -> Option<(&[u8], &Bytes)> {
        let range = (Bound::Included(from), Bound::Excluded(to));
        let row = self.rows.range::<[u8], _>(range).next()?;
        Some((row.0, row.1))
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}
