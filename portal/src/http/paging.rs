//! Pages: what is asked for, and what is answered.

use super::dto::{Page, PageQuery};
use super::error::Failure;
use sandbox::{PAGE_LIMIT_MAX, PageRequest};

/// Longest cursor; they are names, numbers and identifiers.
const CURSOR_BYTES_MAX: usize = 200;

/// The page that a query asks for.
pub(crate) fn asked(query: PageQuery) -> Result<PageRequest, Failure> {
    bounded(query.limit, query.cursor)
}

/// The page of a limit and a cursor, both inside their bounds.
pub(crate) fn bounded(limit: Option<u32>, cursor: Option<String>) -> Result<PageRequest, Failure> {
    let limit = limit.unwrap_or(PageRequest::default().limit);
    if !(1..=PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Failure::parameter(
            "limit",
            &format!("须在 1 到 {PAGE_LIMIT_MAX} 之间"),
            &format!("must be from 1 to {PAGE_LIMIT_MAX}"),
        ));
    }
    let is_cursor = |text: &String| {
        (1..=CURSOR_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if cursor.as_ref().is_some_and(|cursor| !is_cursor(cursor)) {
        return Err(Failure::parameter(
            "cursor",
            "须为上一页的 next_cursor",
            "must be the next_cursor of the page before",
        ));
    }
    Ok(PageRequest { limit, cursor })
}

/// A page as a body.
pub(crate) fn answered<'a, T: 'a, U: From<&'a T>>(page: &'a sandbox::Page<T>) -> Page<U> {
    Page {
        items: super::convert::each(&page.items),
        next_cursor: page.next_cursor.clone(),
    }
}
