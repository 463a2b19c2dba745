//! Objects of one kind by the time of their creation, found by id without a search.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What can stand on a shelf.
pub(crate) trait Kept {
    /// Its id, which never changes.
    fn id(&self) -> &str;

    /// When it was made, in seconds.
    fn created(&self) -> i64;
}

/// All objects of one kind; the oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Shelf<T> {
    list: Vec<T>,
    places: BTreeMap<String, usize>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { list: Vec::new(), places: BTreeMap::new() }
    }
}

impl<T: Kept> Shelf<T> {
    /// Mostly at the end; after the clock was turned back, before what is younger.
    pub(crate) fn put(&mut self, object: T) {
        let place = self.list.partition_point(|known| known.created() <= object.created());
        self.list.insert(place, object);
        for (place, object) in self.list.iter().enumerate().skip(place) {
            self.places.insert(object.id().to_owned(), place);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.places.get(id).map(|place| &self.list[*place])
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.places.get(id).map(|place| &mut self.list[*place])
    }

    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(crate) fn list(&self) -> &[T] {
        &self.list
    }

    /// Lets go of the `count` oldest.
    pub(crate) fn forget_oldest(&mut self, count: usize) {
        *self = self.list.drain(count..).collect::<Vec<_>>().into();
    }
}

impl<T: Kept> From<Vec<T>> for Shelf<T> {
    fn from(mut list: Vec<T>) -> Self {
        list.sort_by_key(Kept::created);
        let places = list.iter().enumerate().map(|(place, object)| (object.id().to_owned(), place)).collect();
        Shelf { list, places }
    }
}

impl<T: Serialize> Serialize for Shelf<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(s)
    }
}

impl<'de, T: Kept + Deserialize<'de>> Deserialize<'de> for Shelf<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Vec::deserialize(d).map(Shelf::from)
    }
}
