//! Pages of a list.

use crate::error::Error;

/// Items of one page, at most.
pub const PAGE_LIMIT_MAX: u32 = 200;

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many items, 1 to [`PAGE_LIMIT_MAX`].
    pub limit: u32,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            limit: 50,
            cursor: None,
        }
    }
}

impl PageRequest {
    /// A page of at most `limit` items behind a cursor.
    ///
    /// # Errors
    /// A limit outside of 1 to [`PAGE_LIMIT_MAX`].
    pub fn new(limit: Option<u32>, cursor: Option<String>) -> Result<Self, Error> {
        let limit = limit.unwrap_or(Self::default().limit);
        if !(1..=PAGE_LIMIT_MAX).contains(&limit) {
            return Err(Error::invalid(
                "page_limit",
                format!("limit 须在 1 到 {PAGE_LIMIT_MAX} 之间。"),
                format!("limit must be from 1 to {PAGE_LIMIT_MAX}."),
            ));
        }
        Ok(Self { limit, cursor })
    }

    /// Rows to ask for: one more than the page, which says whether there is another.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The key that the page begins behind; the empty text sorts before every key.
    pub(crate) fn after(&self) -> String {
        self.cursor.clone().unwrap_or_default()
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Cuts what [`PageRequest::rows`] found to a page; `key` is what the list is sorted by.
    pub(crate) fn cut(
        mut items: Vec<T>,
        request: &PageRequest,
        key: impl Fn(&T) -> String,
    ) -> Self {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(key) } else { None };
        Self { items, next_cursor }
    }
}
