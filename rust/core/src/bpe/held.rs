//! Where does a table live? In the binary, read-only and shared by all processes, or in memory that was filled at load.
//! Reading it is the same for both: their pointers stand at the same place, so nothing is asked on the way.

use std::ops::Deref;

/// A table that looking up only reads.
#[derive(Debug)]
pub(crate) enum Held<T: ?Sized + 'static> {
    /// Made when this crate was compiled.
    Embedded(&'static T),
    /// Made from a vocabulary that somebody loaded.
    Built(Box<T>),
}

impl<T: ?Sized + PartialEq> PartialEq for Held<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: ?Sized> Deref for Held<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        match self {
            Held::Embedded(table) => table,
            Held::Built(table) => table,
        }
    }
}

impl<T: ?Sized> Held<T>
where
    Box<T>: From<&'static T>,
{
    /// To fill it; an embedded table is copied first.
    pub(crate) fn to_mut(&mut self) -> &mut T {
        match self {
            Held::Built(table) => table,
            Held::Embedded(table) => {
                *self = Held::Built(Box::from(*table));
                self.to_mut()
            }
        }
    }
}

impl<T> From<Vec<T>> for Held<[T]> {
    fn from(table: Vec<T>) -> Self {
        Held::Built(table.into_boxed_slice())
    }
}
